"""Crash safety: kill runs at random moments, resume them, and hold the end to that of a run left alone.

    python benchmarks/crash.py [--rounds 30] [--seed 1] [--rows 120] [--workers 1]

Every round starts a fresh workspace, kills the whole process group of `corpusmith run` with SIGKILL after a random
share of the undisturbed time (every third round kills the first resume too), looks whether anything half-done is
visible, then types `corpusmith resume last` until it is done. A kill before the run was recorded means it never
started: it is started again. Prints a table; exits with status 1 when a round ends otherwise than the undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from corpusmith.core.fingerprints import ContentDigest, row_digests
from corpusmith.evals.planting import plant
from corpusmith.store.eventlog import LOG_NAME, read_events
from corpusmith.store.workspace import Workspace

REQUEST = (
    "Make a clean, deduplicated English corpus from ./corpus: no personal data, at most 1% near-duplicates, "
    "decontaminated against evals/items.jsonl, {documents} documents, 90/5/5 split, as Parquet"
)
MAIN = "import sys; from corpusmith.apps.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Ended:
    """What a finished workspace holds, in so far as it may not depend on kills."""

    digest: str
    rows: int
    decisions: int
    artifacts: int
    ledger: tuple[tuple[str, str, int], ...]
    published: int


@dataclass
class Round:
    """One round: when it was killed, how often it was taken up again, and what was wrong."""

    shares: list[float] = field(default_factory=list)
    resumes: int = 0
    started_again: int = 0
    reused: int = 0
    faults: list[str] = field(default_factory=list)


def command(folder: Path, *words: str, workers: int) -> subprocess.Popen[str]:
    """`corpusmith WORDS` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words, "--workspace", "ws", "--json"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "CORPUSMITH_WORKERS": str(workers)},
    )  # fmt: skip


def killed_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill the process group after `seconds`; False when it was done before."""
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


def half_done(root: Path) -> list[str]:
    """What is visible in a workspace and not whole, to any reader."""
    if not (root / "artifacts").exists():
        return []
    faults = []
    workspace = Workspace.open(root)
    for artifact_id in workspace.artifacts.ids():
        artifact = workspace.artifacts.open(artifact_id)
        for path, part in zip(artifact.part_paths, artifact.record.parts, strict=True):
            if not path.exists() or pq.read_metadata(path).num_rows != part.rows:
                faults.append(f"{artifact_id}: part {part.path} is not whole")
        for name, size in artifact.record.files.items():
            if not artifact.file(name).exists() or artifact.file(name).stat().st_size != size:
                faults.append(f"{artifact_id}: file {name} is not whole")
    known = set(workspace.artifacts.ids())
    faults += [f"published without an artifact: {p}" for p in workspace.runs.published() if p["artifact"] not in known]
    faults += [f"run {r.id} names a missing dataset" for r in workspace.runs.all() if r.dataset not in {None, *known}]
    workspace.close()
    return faults


def look(root: Path, outcome: dict[str, Any]) -> tuple[Ended, list[str]]:
    """What a finished workspace holds, and what is wrong with it."""
    faults = half_done(root)
    workspace = Workspace.open(root)
    dataset = workspace.artifacts.open(outcome["dataset"]["artifact"])
    digest = ContentDigest(dataset.schema)
    for batch in dataset.batches():
        digest.update(row_digests(batch))
    if digest.hexdigest() != outcome["dataset"]["digest"]:
        faults.append("the rows do not have the digest on record")
    lines: Counter[tuple[str, str]] = Counter()
    for artifact_id in workspace.artifacts.ids():
        artifact = workspace.artifacts.open(artifact_id)
        ledger = artifact.ledger()
        counted = Counter({("drop", rule): n for rule, n in artifact.record.counts.dropped.items()})
        counted.update({("change", rule): n for rule, n in artifact.record.counts.changed.items()})
        found = Counter(
            (a, r) for a, r in zip(ledger["action"].to_pylist(), ledger["rule"].to_pylist(), strict=True)
        )  # fmt: skip
        if any(found[key] != n for key, n in counted.items()):
            faults.append(f"{artifact_id}: ledger and record disagree")
        lines.update(found)
    events = list(read_events(workspace.runs.folder(outcome["run_id"]) / LOG_NAME))
    if [event.seq for event in events] != list(range(len(events))):
        faults.append("the decision log has a gap or a double number")
    keys = [(event.kind, event.data["key"]) for event in events if event.data.get("key") is not None]
    faults += [f"logged twice: {key}" for key, times in Counter(keys).items() if times > 1]
    decisions = sum(event.kind == "decision" for event in events)
    ended = Ended(
        digest.hexdigest(), outcome["dataset"]["rows"], decisions, len(workspace.artifacts.ids()),
        tuple(sorted((*key, n) for key, n in lines.items())), len(workspace.runs.published()),
    )  # fmt: skip
    workspace.close()
    return ended, faults


def play(folder: Path, request: str, shares: list[float], whole_s: float, workers: int) -> tuple[Round, Ended | None]:
    """One round: kill at `shares` of the undisturbed time, one after the other, then let it finish."""
    played = Round(shares)
    started = False
    for share in shares:
        words = ("resume", "last") if started else ("run", request)
        if not killed_after(command(folder, *words, workers=workers), share * whole_s):
            break
        played.faults += half_done(folder / "ws")
        started = started or run_exists(folder / "ws")
    for _ in range(5):
        if started:
            played.resumes += 1
            done = command(folder, "resume", "last", workers=workers)
        else:
            played.started_again += 1
            done = command(folder, "run", request, workers=workers)
        out, err = done.communicate()
        if done.returncode in (0, 3):
            outcome = json.loads(out.splitlines()[-1])
            ended, faults = look(folder / "ws", outcome)
            played.faults += faults
            return played, ended
        started = run_exists(folder / "ws")
        played.faults.append(f"exit {done.returncode}: {err.strip().splitlines()[-1:]}")
    return played, None


def run_exists(root: Path) -> bool:
    """Whether a run was recorded."""
    if not (root / "ledger.sqlite").exists():
        return False
    workspace = Workspace.open(root)
    found = bool(workspace.runs.all())
    workspace.close()
    return found


def rounds(folder: Path, count: int, seed: int, rows: int, workers: int) -> tuple[float, Ended, list[Round]]:
    """The undisturbed run, then `count` rounds; the time in seconds, its end, and the rounds."""
    request = REQUEST.format(documents=rows // 3)
    plant(folder, profile="demo", seed=7, rows=rows)
    command(folder, "run", request, workers=workers).communicate()  # compiles and fills caches
    subprocess.run(["rm", "-rf", str(folder / "ws")], check=True)
    started = time.monotonic()
    done = command(folder, "run", request, workers=workers)
    out, err = done.communicate()
    whole_s = time.monotonic() - started
    if done.returncode not in (0, 3):
        raise SystemExit(f"the undisturbed run failed: {err}")
    want, faults = look(folder / "ws", json.loads(out.splitlines()[-1]))
    if faults:
        raise SystemExit(f"the undisturbed run left: {faults}")
    draw = random.Random(seed)
    played = []
    for number in range(count):
        subprocess.run(["rm", "-rf", str(folder / "ws")], check=True)
        shares = [round(draw.random(), 3)] + ([round(0.6 * draw.random(), 3)] if number % 3 == 2 else [])
        one, ended = play(folder, request, shares, whole_s, workers)
        one.faults += differences(want, ended)
        played.append(one)
        print(f"{number + 1:3} killed at {one.shares}: {one.faults or 'same'}", file=sys.stderr, flush=True)
    return whole_s, want, played


def differences(want: Ended, got: Ended | None) -> list[str]:
    """In what the end of a round differs from the undisturbed run."""
    if got is None:
        return ["never finished"]
    pairs = [(name, getattr(got, name), getattr(want, name)) for name in vars(want)]
    return [f"{name}: {mine} for {theirs}" for name, mine, theirs in pairs if mine != theirs]


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        whole_s, want, played = rounds(Path(name), given.rounds, given.seed, given.rows, given.workers)
    kills = [share for one in played for share in one.shares]
    bad = [one for one in played if one.faults]
    table = [
        ("undisturbed run, s", f"{whole_s:.1f}"),
        ("its decisions, artifacts", f"{want.decisions}, {want.artifacts}"),
        ("its ledger lines", sum(n for *_, n in want.ledger)),
        ("rounds", len(played)),
        ("kills", len(kills)),
        ("share of the run at which killed", f"{min(kills):.2f} to {max(kills):.2f}, median {np.median(kills):.2f}"),
        ("rounds killed before the run was recorded", sum(one.started_again > 0 for one in played)),
        ("same digest, rows, decisions, ledger and version as undisturbed", len(played) - len(bad)),
        ("something half-done visible, doubled or missing", len(bad)),
    ]
    print("| what | value |\n|---|---|")
    for what, value in table:
        print(f"| {what} | {value} |")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
