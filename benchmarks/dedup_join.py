"""Speed and memory of the exact near-duplicate join on a corpus of one's own.

    python benchmarks/dedup_join.py CORPUS.jsonl [--field text] [--workers 2] [--max-mb N] [--containment 0.5]

CORPUS.jsonl holds one JSON object a line. Prints rows, megabytes of text, rows dropped by rule, seconds, MB/s and the
peak resident memory of the driver, after one warm-up call so that compiling is shown apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from corpusmith.core.rows import META, PARENT_ID, ROW_ID, SOURCE, TEXT
from corpusmith.engine.local import LocalEngine
from corpusmith.ops.neardup import Duplicates, find_duplicates
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.writer import StagedWriter

STRING = pa.large_string()


def read(path: Path, field: str, max_mb: float) -> Iterator[pa.Table]:
    """Tables of 1,000 rows of the corpus, up to `max_mb` MB of text."""
    texts, size, done = [], 0, 0
    with path.open(encoding="utf8") as file:
        for line in file:
            texts.append(json.loads(line)[field])
            size += len(texts[-1].encode())
            if len(texts) == 1000 or size > max_mb * 1e6:
                yield to_table(texts, done)
                done, texts = done + len(texts), []
            if size > max_mb * 1e6:
                return
    if texts:
        yield to_table(texts, done)


def to_table(texts: list[str], start: int) -> pa.Table:
    """Canonical rows of `texts`."""
    count = len(texts)
    columns = {
        ROW_ID: pa.array([f"corpus#{start + i}" for i in range(count)], STRING),
        PARENT_ID: pa.nulls(count, STRING),
        SOURCE: pa.array(["corpus"] * count, STRING),
        TEXT: pa.array(texts, STRING),
        META: pa.array(["{}"] * count, STRING),
    }
    return pa.table(columns)


def store(tables: Iterator[pa.Table], folder: Path) -> tuple[StoredDataset, int]:
    """The rows as a stored dataset, and the bytes of text in them."""
    writer, size = StagedWriter(folder), 0
    for table in tables:
        size += sum(chunk.buffers()[2].size for chunk in table.column(TEXT).chunks)
        writer.write(table)
    parts, counts, _ = writer.finish()
    record = ArtifactRecord(
        id="corpus", kind="dataset", tool="benchmark", tool_version=1, params={}, inputs={}, seed=0,
        rows=counts.rows_out, size_bytes=sum(part.size_bytes for part in parts), parts=tuple(parts),
    )  # fmt: skip
    return StoredDataset(record, folder), size


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--field", default="text")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-mb", type=float, default=float("inf"))
    parser.add_argument("--containment", type=float, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = LocalEngine(workers=given.workers)
        started = time.perf_counter()
        small, _ = store(iter([to_table(["a b c d e f", "a b c d e f g"], 0)]), folder / "small")
        find_duplicates(small, engine, scratch=folder / "scratch")
        compiled = time.perf_counter() - started
        data, size = store(read(given.corpus, given.field, given.max_mb), folder / "data")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started, cpu = time.perf_counter(), time.process_time()
        found = find_duplicates(data, engine, containment=given.containment, scratch=folder / "scratch")
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        engine.close()
    report(found, size, seconds)
    print(f"compile or load {compiled:.1f} s; driver CPU {cpu:.1f} s; driver peak {before:.0f} MiB before,", end=" ")
    print(
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB after; workers {given.workers}, peak",
        end=" ",
    )
    print(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


def report(found: Duplicates, size: int, seconds: float) -> None:
    """Print what was dropped, and how fast."""
    dropped = found.kept >= 0
    near = int((dropped & ~found.exact & ~found.contained).sum())
    print(f"{len(dropped)} rows, {size / 1e6:.1f} MB of text -> {int((~dropped).sum())} kept;", end=" ")
    print(f"{int(found.exact.sum())} exact, {near} near, {int(found.contained.sum())} contained", end="; ")
    print(f"{seconds:.1f} s, {size / 1e6 / seconds:.1f} MB/s")


if __name__ == "__main__":
    main()
