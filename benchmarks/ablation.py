"""What the ablation says where the answer is known: the demo's corpus raw against curated, and halves of the same data.

    python benchmarks/ablation.py [--seeds 7,8,9] [--halves 8] [--keep DIR] [--write FILE.md]
    python benchmarks/ablation.py --coverage

For each seed the demo's corpus is planted and curated by the demo's own request through the command line; `ablate` then
compares the two with its defaults: once on the holdout it draws itself, once on text of the same origin that was never
in the corpus, so that no curation ever chose or changed it. Then rows are split at random into two halves, which
`ablate` is told are raw and curated: of the first corpus' curated rows and of its raw rows, measured on what curation
held out.

Beside each gain: the largest share of any one holdout document's word 5-grams that a row of an arm holds (checked by
code of its own, not by that which kept the arms apart), and CPU seconds. `--keep` keeps the workspaces, so that what is
there is not computed again; `--write` replaces the tables in a file. `--coverage` asks of made-up ablations with a
known gain how often the interval holds it, beside one that resamples seeds as well.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.rows import META, PARENT_ID, ROW_ID, SOURCE, TEXT
from corpusmith.engine.local import LocalEngine, NeverCancelled
from corpusmith.engine.runner import Runner
from corpusmith.evals.planting import plant
from corpusmith.evals.planting.base import stdlib_rows
from corpusmith.evals.planting.prose import shingles
from corpusmith.ops.arms import draw_arm, draw_holdout, held_out_roots, take_holdout
from corpusmith.ops.grading.crossed import crossed_gain
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.workspace import Workspace
from corpusmith.store.writer import StagedWriter
from corpusmith.tools.ablate import TOOL, AblateParams

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.py"
ROWS = 3200


def curated(out: Path, seed: int) -> tuple[Workspace, StoredDataset, StoredDataset]:
    """Plant and curate into `out`, unless it is there; returns the workspace, the raw and the curated data."""
    if not (out / "done").is_file():
        plant(out, profile="demo", seed=seed, rows=ROWS)
        request = runpy.run_path(str(DEMO))["REQUEST"]
        command = [sys.executable, "-m", "corpusmith", "run", request, "--workspace", "workspace", "--json"]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=out)
        if ran.returncode not in (0, 3):
            raise SystemExit(f"the run on {out} ended with status {ran.returncode}:\n{ran.stderr}")
        (out / "done").touch()
    workspace = Workspace.open(out / "workspace")
    result = workspace.resolve("last")
    ids = [
        record.id for record in map(workspace.artifacts.find, workspace.artifacts.ids()) if record and _is_raw(record)
    ]
    return workspace, workspace.artifacts.open(ids[0]), result


def _is_raw(record: ArtifactRecord) -> bool:
    return record.tool == "ingest" and record.rows > ROWS / 2


def dataset(workspace: Workspace, name: str, rows: Sequence[tuple[str, str]]) -> StoredDataset:
    """(row id, text) as a dataset of the workspace."""
    artifact = fingerprint({"benchmark": name})
    if workspace.artifacts.find(artifact) is not None:
        return workspace.artifacts.open(artifact)
    text = pa.large_string()
    table = pa.table(
        {
            ROW_ID: pa.array([row_id for row_id, _ in rows], text),
            PARENT_ID: pa.nulls(len(rows), text),
            SOURCE: pa.array([name] * len(rows), text),
            TEXT: pa.array([given for _, given in rows], text),
            META: pa.array(["{}"] * len(rows), text),
        }
    )
    with workspace.artifacts.stage(artifact, lambda: None) as folder:
        writer = StagedWriter(folder)
        writer.write(table)
        parts, counts, digest = writer.finish()
        record = ArtifactRecord(
            id=artifact, kind="dataset", tool="benchmark", tool_version=1, params={}, inputs={}, seed=0,
            rows=counts.rows_out, size_bytes=sum(part.size_bytes for part in parts), parts=tuple(parts),
            content_digest=digest, counts=counts,
        )  # fmt: skip
        return workspace.artifacts.commit(record, folder)


def never_planted(workspace: Workspace, raw: StoredDataset, seed: int) -> StoredDataset:
    """Clean text of the corpus' own origin, no row of which shares a tenth of its 5-grams with a row of the corpus."""
    index = _index(raw.table([TEXT]).column(TEXT).to_pylist())
    free = [row.text for row in stdlib_rows() if _most_held(row.text, index) < 0.1]
    return dataset(workspace, f"never planted {seed}", [(f"fresh#{n}", text) for n, text in enumerate(free)])


def _index(texts: Sequence[str | None]) -> Mapping[tuple[str, ...], list[int]]:
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        for gram in shingles(text or ""):
            index[gram].append(row)
    return index


def _most_held(text: str, index: Mapping[tuple[str, ...], list[int]]) -> float:
    """The largest share of the text's 5-grams that one row holds."""
    grams = shingles(text)
    hits = Counter(row for gram in grams for row in index.get(gram, ()))
    return max(hits.values(), default=0) / len(grams)


def most_leaked(raw: StoredDataset, result: StoredDataset, holdout: StoredDataset | None) -> dict[str, float]:
    """For each arm, the largest share of one holdout document's 5-grams that a row it trains on holds."""
    go_on, engine, found = NeverCancelled(), LocalEngine(workers=1), {}
    params = AblateParams()
    if holdout is None:
        held = draw_holdout(raw, result, params.holdout_rows, 0, go_on)
    else:
        held = take_holdout(holdout, params.holdout_rows, 0)
    roots = held_out_roots(result, held)
    for name, data in (("raw", raw), ("curated", result)):
        arm = draw_arm(data, held, roots, engine, most_bytes=1 << 40, seed=0, cancel=go_on)
        index = _index(arm.texts)
        found[name] = max(_most_held(text, index) for text in held.texts)
    engine.close()
    return found


def compare(
    workspace: Workspace, raw: StoredDataset, other: StoredDataset, holdout: StoredDataset | None
) -> dict[str, Any]:
    """One ablation with the tool's defaults."""
    engine = LocalEngine(workers=1)
    inputs = {"raw": raw.id, "curated": other.id} | ({"holdout": holdout.id} if holdout else {})
    started = time.process_time()
    try:
        step = Runner(workspace, engine, emit=lambda line: print("   ", line, flush=True)).run_step(TOOL, {}, inputs)
    finally:
        engine.close()
    report = json.loads(step.artifact.file("report.json").read_text())
    spent = 0.0 if step.cached else time.process_time() - started
    scores = {(one["arm"], one["seed"]): one["bits_per_byte"] for one in report["trainings"]}
    gains = [scores["raw", seed] - scores["curated", seed] for name, seed in scores if name == "raw"]
    arms = report["arms"]
    return {
        **step.result,
        "leaked": most_leaked(raw, other, holdout),
        "left_out": {name: arm["left_out"]["holds_holdout"] for name, arm in arms.items()},
        "rows": {name: arm["rows"] for name, arm in arms.items()},
        "gains": gains,
        "cpu_s": spent,
    }


def halves(data: StoredDataset, draw: int, only: str | None) -> list[list[tuple[str, str]]]:
    """The rows (of the split `only`) in two random halves."""
    columns = data.table([ROW_ID, TEXT, *(["split"] if only else [])]).to_pydict()
    names = columns.get("split", [None] * data.rows)
    given = zip(columns[ROW_ID], columns[TEXT], names, strict=True)
    rows = [(row_id, text) for row_id, text, split in given if split == only and (text or "").strip()]
    order = np.random.default_rng(draw).permutation(len(rows))
    middle = len(rows) // 2
    return [[rows[place] for place in part] for part in (order[:middle], order[middle : 2 * middle])]


def line(what: str, found: Mapping[str, Any]) -> str:
    """One row of a table."""
    left, rows = ("/".join(f"{found[key][arm]:,}" for arm in ("raw", "curated")) for key in ("left_out", "rows"))
    leaked = "/".join(f"{found['leaked'][arm]:.2f}" for arm in ("raw", "curated"))
    by_seed = " ".join(f"{gain:+.3f}" for gain in found["gains"])
    return (
        f"| {what} | {found['holdout_rows']} | {rows} | {left} | {leaked} | {found['raw']:.3f} | "
        f"{found['curated']:.3f} | {by_seed} | **{found['gain']:+.4f}** | "
        f"{found['gain_low']:+.4f} to {found['gain_high']:+.4f} | {found['cpu_s']:.0f} |"
    )


HEAD = (
    "| what | documents | rows of the arms | left out | most of a document | bits/byte, raw | curated | "
    "gain by seed | gain | 95 % interval | CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def tables(root: Path, seeds: Sequence[int], draws: int) -> Iterator[str]:
    """The tables, line by line as they come."""
    yield f"### Raw against curated\n\n{HEAD}"
    corpora = {seed: curated(root / str(seed), seed) for seed in seeds}
    for seed, (workspace, raw, result) in corpora.items():
        yield line(f"corpus {seed}, the tool's own holdout", compare(workspace, raw, result, None))
        fresh = never_planted(workspace, raw, seed)
        yield line(f"corpus {seed}, text never in the corpus", compare(workspace, raw, result, fresh))
    workspace, raw, result = corpora[seeds[0]]
    held = _held_out(workspace, result)
    yield f"\n### Two random halves\n\n{HEAD}"
    hit = 0
    for draw in range(draws):
        source, only = ((result, "train"), (raw, None))[draw % 2]
        name = ("curated", "raw")[draw % 2]
        one, two = (
            dataset(workspace, f"{name} half {draw}.{n}", rows) for n, rows in enumerate(halves(source, draw, only))
        )
        found = compare(workspace, one, two, held)
        hit += found["gain_low"] > 0 or found["gain_high"] < 0
        yield line(f"{name} rows, draw {draw}", found)
    yield f"\nThe interval leaves zero out in {hit} of {draws} draws."


def _held_out(workspace: Workspace, result: StoredDataset) -> StoredDataset:
    columns = result.table([ROW_ID, TEXT, "split"]).to_pydict()
    rows = zip(columns[ROW_ID], columns[TEXT], columns["split"], strict=True)
    return dataset(workspace, "held out", [(row_id, text) for row_id, text, split in rows if split != "train"])


def coverage(trials: int = 1000, documents: int = 200) -> Iterator[str]:
    """How often intervals hold a gain of 0.1; seeds and documents scatter about as those that were measured."""
    yield "| seeds | documents resampled, seeds by Student's t | mean width | both resampled | mean width |"
    yield "|---|---|---|---|---|"
    for seeds in (2, 3, 4, 8):
        draw = np.random.default_rng(seeds)
        held, width = np.zeros(2), np.zeros(2)
        for trial in range(trials):
            parts = [draw.normal(0, sd, shape) for sd, shape in ((0.02, (seeds, 1)), (0.1, (1, documents)))]
            saved = 500 * (0.1 + sum(parts) + draw.normal(0, 0.1, (seeds, documents)))
            sizes = np.full(documents, 500.0)
            ours = crossed_gain(np.zeros_like(saved), saved, sizes, samples=1000, seed=trial)
            both = _pigeonhole(saved, sizes, 1000, draw)
            for at, (low, high) in enumerate(((ours.low or 0.0, ours.high or 0.0), both)):
                held[at] += low <= 0.1 <= high
                width[at] += high - low
        figures = " | ".join(
            f"{hits / trials:.3f} | {wide / trials:.3f}" for hits, wide in zip(held, width, strict=True)
        )
        yield f"| {seeds} | {figures} |"


def _pigeonhole(saved: Any, sizes: Any, samples: int, draw: np.random.Generator) -> tuple[float, float]:
    """The interval that resamples seeds and documents alike."""
    seeds, n = saved.shape
    times = draw.multinomial(n, np.full(n, 1 / n), size=samples)
    chosen = draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples)
    gains = ((times @ saved.T) * chosen).sum(axis=1) / seeds / (times @ sizes)
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="7,8,9", help="of the planted corpora, comma-separated")
    parser.add_argument("--halves", type=int, default=8, help="draws of two halves")
    parser.add_argument("--keep", type=Path, help="folder to keep corpora and workspaces in")
    parser.add_argument("--write", type=Path, help="file whose part '## Figures' the tables replace")
    parser.add_argument("--coverage", action="store_true", help="only ask how often the interval is right")
    given = parser.parse_args()
    if given.coverage:
        print(*coverage(), sep="\n")
        return
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        root = (given.keep or Path(scratch)).absolute()
        root.mkdir(parents=True, exist_ok=True)
        try:
            for one in tables(root, [int(seed) for seed in given.seeds.split(",")], given.halves):
                print(one, flush=True)
                lines.append(one)
        except CorpusmithError as error:
            raise SystemExit(f"{error.message}  {error.hint}") from error
    if given.write:
        intro = given.write.read_text("utf-8").split("## Figures\n")[0] if given.write.is_file() else ""
        given.write.write_text(f"{intro}## Figures\n\n" + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
