"""The local engine: parts of a dataset through a process pool, results in row order, memory bounded by the window.

Small data runs in the driver: a pool costs more than it saves. Implements `core.tools.Engine`.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.operators import FoldOperator, RowOperator
from corpusmith.core.rows import mark
from corpusmith.core.tools import Cancel, Dataset, Decided, Writer
from corpusmith.engine.worker import fold_part, map_part, start_worker, stream_part, take_stream
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.writer import StagedWriter

S = TypeVar("S")
T = TypeVar("T")
IN_PROCESS_BYTES = 6 << 20
"""Stored (compressed) bytes under which a dataset is worked on in the driver."""


class NeverCancelled:
    """A `core.tools.Cancel` that never stops anything."""

    def check(self) -> None:
        """Return."""


@dataclass(frozen=True)
class _Decision:
    """Row operator that marks one part by decisions made elsewhere; needs the whole part at once."""

    keep: npt.NDArray[np.bool_]
    rule: Sequence[str | None] | str
    value: npt.NDArray[np.float64] | None
    threshold: float | None
    kept: Sequence[str | None] | None
    name: str = "select"

    def apply(self, batch: pa.Table) -> pa.Table:
        drop = ~self.keep
        if isinstance(self.rule, str):
            return mark(batch, drop, self.rule, self.value, self.threshold, self.kept)
        for rule in sorted({rule for rule, gone in zip(self.rule, drop, strict=True) if gone and rule}):
            here = np.array([r == rule for r in self.rule], bool) & drop
            batch = mark(batch, here, rule, self.value, self.threshold, self.kept)
        return batch


@dataclass
class LocalEngine:
    """Runs operators on this machine.

    Attributes:
        workers: Worker processes; 1 = all in the driver.
        cancel: Asked between parts.
        on_pass: Called with the number of rows that a pass over a dataset will go through.
        on_rows: Called with the number of rows of each finished part, for progress.
    """

    workers: int = 1
    cancel: Cancel = field(default_factory=NeverCancelled)
    on_pass: Callable[[int], None] = lambda _rows: None
    on_rows: Callable[[int], None] = lambda _rows: None
    _pool: ProcessPoolExecutor | None = None

    def map_rows(self, data: Dataset, operators: Sequence[RowOperator], writer: Writer) -> None:
        """Run the operators, drop what they mark, write the rest and the ledger lines."""
        stored, staged = _stored(data), _staged(writer)
        tasks = [(path, tuple(operators), staged.folder, staged.next_index()) for path in stored.part_paths]
        for done in self._run(map_part, tasks, stored):
            staged.adopt(done)

    def stream(self, data: Dataset, operators: Sequence[RowOperator], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Run the operators and hand back `columns` of the rows, in order, one table a part."""
        stored, given = _stored(data), (tuple(operators), tuple(columns))
        if self._in_driver(stored):
            tables: Iterator[pa.Table] = self._run(stream_part, [(path, *given) for path in stored.part_paths], stored)
            yield from (table for table in tables if table.num_columns)
            return
        with TemporaryDirectory(prefix="corpusmith-", ignore_cleanup_errors=True) as name:
            tasks = [(path, *given, Path(name) / f"{n}.arrow") for n, path in enumerate(stored.part_paths)]
            for path in self._run(stream_part, tasks, stored):
                table = take_stream(path)
                if table.num_columns:
                    yield table

    def fold(self, data: Dataset, operators: Sequence[RowOperator], fold: FoldOperator[S]) -> S:
        """Run the operators and fold the rows to one state, merged in row order."""
        stored = _stored(data)
        state = fold.initial()
        tasks = [(path, tuple(operators), fold) for path in stored.part_paths]
        for part_state in self._run(fold_part, tasks, stored):
            state = fold.merge(state, part_state)
        return state

    def select(self, data: Dataset, decided: Decided, writer: Writer) -> None:
        """Write the rows that `decided` keeps, in order, and ledger lines for the others."""
        stored, staged = _stored(data), _staged(writer)
        if len(decided.keep) != stored.rows:
            raise CorpusmithError(f"a step decided on {len(decided.keep)} rows of a dataset of {stored.rows}")
        tasks: list[tuple[Any, ...]] = []
        start = 0
        for path, part in zip(stored.part_paths, stored.record.parts, strict=True):
            here = slice(start, start + part.rows)
            start += part.rows
            operator = _Decision(
                decided.keep[here],
                decided.rule if isinstance(decided.rule, str) else list(decided.rule[here]),
                None if decided.value is None else decided.value[here],
                decided.threshold,
                None if decided.kept is None else list(decided.kept[here]),
            )
            tasks.append((path, (operator,), staged.folder, staged.next_index(), True))
        for done in self._run(map_part, tasks, stored):
            staged.adopt(done)

    def close(self) -> None:
        """End the worker processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _run(self, task: Callable[..., T], arguments: list[tuple[Any, ...]], data: StoredDataset) -> Iterator[T]:
        self.on_pass(data.rows)
        if self._in_driver(data):
            for given, part in zip(arguments, data.record.parts, strict=True):
                self.cancel.check()
                yield task(*given)
                self.on_rows(part.rows)
            return
        yield from self._run_pool(task, arguments, data)

    def _in_driver(self, data: StoredDataset) -> bool:
        return self.workers == 1 or len(data.record.parts) < 2 or data.size_bytes < IN_PROCESS_BYTES

    def _run_pool(self, task: Callable[..., T], arguments: list[tuple[Any, ...]], data: StoredDataset) -> Iterator[T]:
        pool = self._open_pool()
        window: deque[Future[T]] = deque()
        queue = deque(arguments)
        try:
            for part in data.record.parts:
                while queue and len(window) < 2 * self.workers:
                    window.append(pool.submit(task, *queue.popleft()))
                result = window.popleft().result()
                self.on_rows(part.rows)
                yield result
                self.cancel.check()
        except BrokenProcessPool as error:
            self._pool = None
            raise CorpusmithError(
                "a worker process was killed, most likely for want of memory",
                hint="`corpusmith resume` goes on with the finished parts; try CORPUSMITH_WORKERS=1.",
            ) from error
        finally:
            for future in window:
                future.cancel()

    def _open_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            method = "forkserver" if sys.platform.startswith("linux") else "spawn"
            context = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload(["corpusmith.engine.worker"])
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=start_worker)
        return self._pool


def _stored(data: Dataset) -> StoredDataset:
    if not isinstance(data, StoredDataset):
        raise CorpusmithError(f"the local engine reads stored datasets, not {type(data).__name__}")
    return data


def _staged(writer: Writer) -> StagedWriter:
    if not isinstance(writer, StagedWriter):
        raise CorpusmithError(f"the local engine writes staged parts, not {type(writer).__name__}")
    return writer
