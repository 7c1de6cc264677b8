"""Fixtures every part uses: datasets in a store, and a context to call a tool in without the runner."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings

from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.rows import Shape, render_text, schema_of
from corpusmith.core.tools import StepContext
from corpusmith.engine.local import LocalEngine, NeverCancelled
from corpusmith.store import database
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.writer import StagedWriter, side_files

# One thread for each process, also for those that a test starts: the processes of a test run share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes depends on who else is on the machine.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


imported = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What was imported stays: the collector looks at it no more, and a collection takes a tenth of the time."""
    global imported
    if len(sys.modules) > imported + 200:  # a heavy library came with the test before
        imported = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_power_cut() -> Iterator[None]:
    """No test cuts the power, and what a killed process has written is with the system: nothing waits for a disk."""

    def pragmas(connection: Any) -> None:
        for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF"):
            connection.execute(line).close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(database, "_sqlite_pragmas", pragmas)
        yield


def canonical_table(
    rows: Sequence[str | Mapping[str, Any]], shape: Shape = Shape.TEXT, uri: str = "in.jsonl"
) -> pa.Table:
    """Canonical rows out of texts or mappings of columns; ids `<uri>#<n>`."""
    schema = schema_of(shape)
    full = []
    for n, row in enumerate(rows):
        given = {"text": row} if isinstance(row, str) else dict(row)
        full.append({"row_id": f"{uri}#{n}", "source": uri, "meta": "{}", "text": "", **given})
    return render_text(
        pa.Table.from_pylist([{name: r.get(name) for name in schema.names} for r in full], schema=schema)
    )


def commit_table(store: ArtifactStore, table: pa.Table, key: object, part_rows: int | None = None) -> StoredDataset:
    """Store a table as a dataset artifact, in parts of `part_rows` rows."""
    artifact = fingerprint({"test": repr(key)})
    with store.stage(artifact, lambda: None) as folder:
        writer = StagedWriter(folder)
        if part_rows:
            for start in range(0, table.num_rows, part_rows):
                writer.write(table.slice(start, part_rows))
                writer.counts()
        else:
            writer.write(table)
        return commit_writer(store, writer, artifact)


def commit_writer(store: ArtifactStore, writer: StagedWriter, artifact: str) -> StoredDataset:
    parts, counts, digest = writer.finish()
    record = ArtifactRecord(
        id=artifact, kind="dataset", tool="test", tool_version=1, params={}, inputs={}, seed=0,
        rows=counts.rows_out, size_bytes=sum(p.size_bytes for p in parts), content_digest=digest,
        parts=tuple(parts), files=side_files(writer.folder), counts=counts,
    )  # fmt: skip
    return store.commit(record, writer.folder)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "ws")


@pytest.fixture
def make_dataset(store: ArtifactStore) -> Callable[..., StoredDataset]:
    """`make_dataset(rows or table, shape=..., uri=..., part_rows=...) -> StoredDataset`."""
    numbers = itertools.count()

    def make(
        rows: Any, shape: Shape = Shape.TEXT, uri: str = "in.jsonl", part_rows: int | None = None
    ) -> StoredDataset:
        table = rows if isinstance(rows, pa.Table) else canonical_table(rows, shape, uri)
        return commit_table(store, table, next(numbers), part_rows)

    return make


class ToolCall:
    """Calls a tool's `run` in a real context and commits what it wrote."""

    def __init__(self, store: ArtifactStore, scratch: Path, workers: int = 1) -> None:
        self.store, self.scratch, self.numbers = store, scratch, itertools.count()
        self.engine = LocalEngine(workers=workers)

    def __call__(self, tool: Any, params: Any, inputs: Mapping[str, StoredDataset] | None = None, seed: int = 0) -> Any:
        artifact = fingerprint({"call": next(self.numbers)})
        with self.store.stage(artifact, lambda: None) as folder:
            writer = StagedWriter(folder)
            scratch = self.scratch / artifact
            scratch.mkdir(parents=True)
            given = dict(inputs or {})
            if tool.check is not None:
                tool.check(params, given)
            context = StepContext(
                inputs=given, writer=writer, engine=self.engine, seed=seed, emit=lambda _text: None,
                cancel=NeverCancelled(), scratch=scratch,
            )  # fmt: skip
            result = tool.run(params, context)
            return result, commit_writer(self.store, writer, artifact)


@pytest.fixture
def call_tool(store: ArtifactStore, tmp_path: Path) -> Iterator[ToolCall]:
    """`call_tool(TOOL, params, {"data": dataset}, seed=0) -> (result, committed artifact)`."""
    call = ToolCall(store, tmp_path / "scratch")
    yield call
    call.engine.close()
