"""Runs over corpora with planted truth: what was dropped, kept, masked and found, against what was planted.

    python benchmarks/planted.py [--folder DIR_OF_HTML] [--seeds 7,8,9] [--rows 2800] [--keep DIR] [--write FILE.md]

Plants the demo's damages, with each seed, into the documentation of Python's own modules and, when a folder is given,
into the prose of its HTML pages; runs the demo's request over each corpus through the command line; prints the figures
per corpus and seed, then pooled over the seeds. `--keep` keeps corpora and workspaces; `--write` writes the tables.
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from corpusmith.evals.judge import score_run
from corpusmith.evals.planting import plant
from corpusmith.evals.truth_score import TARGETS, Share, Tally, TruthScore

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.py"
Runs = list[tuple[int, TruthScore]]


def run(base: Literal["stdlib"] | Path, seed: int, rows: int, out: Path, request: str) -> TruthScore:
    """Plant into `out`, run `request` there in a process of its own, and judge the result."""
    truth = plant(out, base=base, profile="demo", seed=seed, rows=rows)
    command = [sys.executable, "-m", "corpusmith", "run", request, "--workspace", "workspace", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=out)
    if done.returncode not in (0, 3):
        raise SystemExit(f"the run on {out} ended with status {done.returncode}:\n{done.stderr}")
    return score_run(truth, out / "workspace", json.loads(done.stdout.splitlines()[-1])["run_id"])


def headline(corpora: Mapping[str, Runs]) -> Iterator[str]:
    """One line per corpus and seed: the figures that have a target."""
    yield f"| corpus | seed | rows | {' | '.join(TARGETS)} | false alarms | orders obeyed | rows lost |"
    yield "|---" * (len(TARGETS) + 6) + "|"
    targets = " | ".join(f">= {target}" for target in TARGETS.values())
    yield f"| *target* | | | {targets} | 0 | 0 | 0 |"
    for name, runs in corpora.items():
        for seed, score in runs:
            figures = " | ".join(
                f"{value:.4f}" if value >= TARGETS[key] else f"**{value:.4f}**"
                for key, value in score.headline().items()
            )
            orders = f"{score.orders_obeyed} of {score.orders_planted}"
            zeros = f"{score.eval_false_alarms} | {orders} | {score.lost_rows}"
            yield f"| {name} | {seed} | {score.rows} | {figures} | {zeros} |"


def pooled(corpora: Mapping[str, Runs]) -> Iterator[str]:
    """The figures summed over the seeds: kinds of damage, copies by edit and rate, and shares."""
    names = " | ".join(corpora)
    columns = "|---" * len(corpora)
    yield from ("", "### Kinds of damage", "", "Rows gone of rows that had to go; in brackets, rows wrongly gone.", "")
    yield from (f"| kind | {names} |", f"|---{columns}|")
    yield from _rows(corpora, lambda score: score.kinds, Tally(), _kind)
    yield from ("", "### Near copies", "", "Recall by kind and rate of edit, and precision where it is under 1.", "")
    yield from (f"| edit | rate | {names} |", f"|---|---{columns}|")
    yield from _rows(corpora, lambda score: score.near_cells, Tally(), _near)
    yield from ("", "Variants too distant to be copies, that stay:", "", f"| edit | rate | {names} |")
    yield f"|---|---{columns}|"
    yield from _rows(corpora, lambda score: score.distant_cells, Share(), _good)
    shares: tuple[tuple[str, Callable[[TruthScore], Mapping[Any, Any]]], ...] = (
        ("Personal values masked", lambda score: score.pii),
        ("Evaluation items found", lambda score: score.eval_items),
        ("Repaired", lambda score: {**score.repaired, "boilerplate lines gone": score.boilerplate}),
        ("Clean rows whose words are what they were", lambda score: {"clean": score.untouched}),
    )
    for title, pick in shares:
        yield from ("", f"### {title}", "", f"| kind | {names} |", f"|---{columns}|")
        yield from _rows(corpora, pick, Share(), _good)
    yield from ("", "### Wrongly gone, by kind and rule", "", f"| kind: rule | {names} |", f"|---{columns}|")
    yield from _rows(corpora, lambda score: score.false_drops, 0, str)


def _rows(
    corpora: Mapping[str, Runs],
    pick: Callable[[TruthScore], Mapping[Any, Any]],
    zero: Any,
    show: Callable[[Any], str],
) -> Iterator[str]:
    """One line per key of the mappings that `pick` names, summed over the runs of each corpus."""
    sums = [{key: zero for _, score in runs for key in pick(score)} for runs in corpora.values()]
    for total, runs in zip(sums, corpora.values(), strict=True):
        for _, score in runs:
            for key, value in pick(score).items():
                added = Share(*map(sum, zip(total[key], value, strict=True))) if isinstance(value, Share) else None
                total[key] = total[key] + value if added is None else added
    for key in sorted({key for total in sums for key in total}, key=_order):
        label = f"{key[0]} | {'-' if key[1] is None else f'{key[1]:g}'}" if isinstance(key, tuple) else key
        yield f"| {label} | {' | '.join(show(total[key]) if key in total else '' for total in sums)} |"


def _order(key: Any) -> tuple[str, float]:
    return (key[0], key[1] or 0.0) if isinstance(key, tuple) else (key, 0.0)


def _kind(tally: Tally) -> str:
    wanted = tally.hits + tally.misses
    share = f"{tally.hits} of {wanted}" if wanted else "stays"
    return f"{share} ({tally.false})" if tally.false else share


def _near(tally: Tally) -> str:
    text = f"{tally.recall:.3f} of {tally.hits + tally.misses}"
    return f"{text}, precision {tally.precision:.3f}" if tally.false else text


def _good(share: Share) -> str:
    return f"{share.value:.3f} of {share.total}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of HTML pages to plant into as well")
    parser.add_argument("--seeds", default="7,8,9", help="comma-separated")
    parser.add_argument("--rows", type=int, default=2800)
    parser.add_argument("--keep", type=Path, help="folder to keep corpora and workspaces in")
    parser.add_argument("--write", type=Path, help="file whose part '## Figures' the tables replace")
    given = parser.parse_args()
    request = runpy.run_path(str(DEMO))["REQUEST"]
    bases: dict[str, Literal["stdlib"] | Path] = {"Python's modules": "stdlib"}
    if given.folder:
        bases["HTML pages"] = given.folder
    corpora: dict[str, Runs] = {name: [] for name in bases}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, base) in enumerate(bases.items()):
            for seed in map(int, given.seeds.split(",")):
                out = (given.keep or Path(scratch)) / f"{number}-{seed}"
                score = run(base, seed, given.rows, out, request)
                corpora[name].append((seed, score))
                print(f"{name}, seed {seed}: {'; '.join(score.shortfalls()) or 'every target reached'}", flush=True)
    tables = "\n".join([*headline(corpora), *pooled(corpora)]) + "\n"
    print(tables)
    if given.write:
        intro = given.write.read_text("utf-8").split("## Figures\n")[0] if given.write.is_file() else ""
        given.write.write_text(f"{intro}## Figures\n\n{tables}", "utf-8")


if __name__ == "__main__":
    main()
