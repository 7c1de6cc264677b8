"""What a worker process does: run row operators over one part. Imported by the pool, so it stays light.

A task is a whole part (about 8 MiB of Arrow), read in batches of `BATCH_ROWS`; results go to disk (`map_part`), or back
to the driver when they are small (`stream_part`, `fold_part`). The driver runs the same functions in process for
small data, so where a part ran cannot change a byte.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.operators import FoldOperator, RowOperator
from corpusmith.core.rows import LEDGER_SCHEMA
from corpusmith.store.dataset import part_batches
from corpusmith.store.writer import PartDone, finished_part, settle, write_part

BATCH_ROWS = 512


def start_worker() -> None:
    """Leave Ctrl-C to the driver, which stops at the next safe point; end when the driver dies, however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, name="end-with-driver", daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def run_operators(batch: pa.Table, operators: Sequence[RowOperator]) -> pa.Table:
    """Apply the operators in order.

    Raises:
        CorpusmithError: An operator returned another number of rows than it was given.
    """
    for operator in operators:
        result = operator.apply(batch)
        if result.num_rows != batch.num_rows:
            raise CorpusmithError(f"operator {operator.name} turned {batch.num_rows} rows into {result.num_rows}")
        batch = result
    return batch


def _batches(path: Path, operators: Sequence[RowOperator], rows: int | None) -> Iterator[pa.Table]:
    pa.default_memory_pool().release_unused()  # what the part before left, back to the system
    for batch in part_batches(path, rows=rows or BATCH_ROWS):
        yield run_operators(batch, operators)


def map_part(path: Path, operators: Sequence[RowOperator], folder: Path, index: int, whole: bool = False) -> PartDone:
    """Run the operators over the part at `path`, write part `index` of the staging `folder`; skip it when done.

    Args:
        path: Input part.
        operators: Row operators.
        folder: Staging folder of the step.
        index: Index of the output part.
        whole: Give the operators the whole part at once (for operators bound to row positions).
    """
    done = finished_part(folder, index)
    if done is not None:
        return done
    kept, lines = [], [LEDGER_SCHEMA.empty_table()]
    for batch in _batches(path, operators, 1 << 30 if whole else None):
        rows, ledger = settle(batch)
        kept.append(rows)
        lines.append(ledger)
    if not kept:  # a part without rows still has a schema
        rows, _ = settle(run_operators(pq.read_table(path), operators))
        kept.append(rows)
    return write_part(folder, index, pa.concat_tables(kept).combine_chunks(), pa.concat_tables(lines))


def stream_part(
    path: Path, operators: Sequence[RowOperator], columns: Sequence[str], out: Path | None = None
) -> pa.Table | Path:
    """Run the operators over a part and return `columns` of its rows.

    Args:
        path: Input part.
        operators: Row operators.
        columns: Names of columns after the operators.
        out: From a worker process: the file to write them to, as Arrow IPC, whose path is returned instead, which
            spares both sides the copies of a pickled table.
    """
    tables = [batch.select(list(columns)) for batch in _batches(path, operators, None)]
    table = pa.concat_tables(tables) if tables else pa.table({})
    if out is None:
        return table
    with pa.OSFile(str(out), "wb") as sink:
        for name in table.schema.names:
            with pa.ipc.new_stream(sink, table.select([name]).schema) as writer:
                writer.write_table(table.select([name]))
    return out


def take_stream(path: Path) -> pa.Table:
    """The table that `stream_part` wrote to a file, which is removed.

    The file is one IPC stream per column, so that who keeps a small column does not keep the large one beside it.
    """
    columns = {}
    with pa.OSFile(str(path)) as source:
        while source.tell() < source.size():
            with pa.ipc.open_stream(source) as reader:
                column = reader.read_all()
            columns[column.schema.names[0]] = column.column(0)
    path.unlink()
    return pa.table(columns)


def fold_part(path: Path, operators: Sequence[RowOperator], fold: FoldOperator[Any]) -> Any:
    """Run the operators over a part and fold the result."""
    state = fold.initial()
    for batch in _batches(path, operators, None):
        state = fold.merge(state, fold.fold(batch))
    return state
