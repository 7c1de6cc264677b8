"""Where a step's result goes until its record is written: parts, ledger lines and side files in a staging folder.

The same code writes a part in the driver and in a worker process (`write_part`), so a dataset is the same bytes
wherever it was made. Marks (`core.rows`) become ledger lines here, and nowhere else.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.fingerprints import ContentDigest, row_digests
from corpusmith.core.rows import CHANGED, KEPT, LEDGER_SCHEMA, ROW_ID, RULE, THRESHOLD, VALUE, marks_in
from corpusmith.core.tools import Part
from corpusmith.store.files import workspace_errors, write_atomic
from corpusmith.store.records import Counts

PART_BYTES = 8 << 20
"""Arrow bytes a part holds about; the unit of parallel work, of resuming and of memory."""


class PartDone(BaseModel):
    """What is known of a finished part; stored beside it, so that a re-run can skip it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    part: Part | None
    counts: Counts


def settle(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split a marked table into the rows that stay (marks stripped) and the ledger lines of the others."""
    lines = []
    for name in (n for n in table.schema.names if n.startswith(CHANGED)):
        hit = table.filter(pc.greater(table.column(name), 0))
        if hit.num_rows:
            lines.append(_lines(hit, "change", name.removeprefix(CHANGED), pc.cast(hit.column(name), pa.float64())))
    if RULE in table.schema.names:
        gone = pc.is_valid(table.column(RULE))
        dropped = table.filter(gone)
        if dropped.num_rows:
            lines.append(
                _lines(
                    dropped,
                    "drop",
                    dropped.column(RULE),
                    dropped.column(VALUE),
                    dropped.column(THRESHOLD),
                    dropped.column(KEPT),
                )
            )
            table = table.filter(pc.invert(gone))
    return table.drop_columns(marks_in(table)), pa.concat_tables([LEDGER_SCHEMA.empty_table(), *lines])


def _lines(
    rows: pa.Table,
    action: str,
    rule: str | pa.ChunkedArray,
    value: pa.ChunkedArray,
    threshold: pa.ChunkedArray | None = None,
    kept: pa.ChunkedArray | None = None,
) -> pa.Table:
    n = rows.num_rows
    text = pa.large_string()
    return pa.table(
        [
            rows.column(ROW_ID),
            pa.array([action] * n, text),
            pa.array([rule] * n, text) if isinstance(rule, str) else rule,
            value,
            pa.nulls(n, pa.float64()) if threshold is None else threshold,
            pa.nulls(n, text) if kept is None else kept,
            pa.nulls(n, text),
        ],
        schema=LEDGER_SCHEMA,
    )


def count_lines(lines: pa.Table, counts: Counts) -> None:
    """Add ledger lines to the counts by rule."""
    if not lines.num_rows:
        return
    bins = {"drop": counts.dropped, "change": counts.changed, "derive": counts.derived, "mark": counts.marked}
    grouped = lines.group_by(["action", "rule"]).aggregate([("rule", "count")])
    for row in grouped.to_pylist():
        where = bins[row["action"]]
        where[row["rule"]] = where.get(row["rule"], 0) + row["rule_count"]


def write_part(folder: Path, index: int, table: pa.Table, lines: pa.Table) -> PartDone:
    """Write part `index` (rows, digests, ledger lines) into the staging `folder`, its sidecar last."""
    counts = Counts(rows_out=table.num_rows)
    count_lines(lines, counts)
    name = f"{index:05d}.parquet"
    with workspace_errors(folder):
        if lines.num_rows:
            _write_table(lines, folder / "ledger" / name)
        part = None
        if table.num_columns:
            path = folder / "parts" / name
            _write_table(table, path)
            write_atomic(folder / "digests" / f"{index:05d}", row_digests(table).tobytes(), durable=False)
            part = Part(path=f"parts/{name}", rows=table.num_rows, size_bytes=path.stat().st_size)
        done = PartDone(part=part, counts=counts)
        write_atomic(folder / "done" / f"{index:05d}.json", done.model_dump_json().encode(), durable=False)
    return done


def finished_part(folder: Path, index: int) -> PartDone | None:
    """What a killed process left finished as part `index`, or None; nothing when a power cut took bytes of it."""
    name = f"{index:05d}"
    try:
        done = PartDone.model_validate_json((folder / "done" / f"{name}.json").read_bytes())
        if done.part is None:
            return done
        sizes = (folder / done.part.path).stat().st_size, (folder / "digests" / name).stat().st_size
    except (FileNotFoundError, ValidationError):
        return None
    return done if sizes == (done.part.size_bytes, 16 * done.part.rows) else None


def _write_table(table: pa.Table, path: Path) -> None:
    draft = path.with_suffix(f".{os.getpid()}")  # a worker that outlived its driver may be at the same part
    pq.write_table(table, draft, compression="zstd", row_group_size=4096, write_page_index=True)
    draft.replace(path)


class StagedWriter:
    """The `core.tools.Writer` of a step. Rows arrive by `write` or, from an engine, as finished parts by `adopt`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with workspace_errors(folder):
            for name in ("parts", "ledger", "digests", "done", "files"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        self._counts = Counts()
        self._parts: list[Part] = []
        self._next = 0
        self._rows: list[pa.Table] = []
        self._lines: list[pa.Table] = []
        self._held = 0
        self._schema: pa.Schema | None = None

    def write(self, table: pa.Table) -> None:
        """Append rows in order; marked rows become ledger lines."""
        kept, lines = settle(table)
        if self._schema is None:
            self._schema = kept.schema
        elif kept.schema != self._schema:
            raise CorpusmithError(f"a step wrote rows of two schemas: {self._schema.names} and {kept.schema.names}")
        self._rows.append(kept)
        self._held += kept.nbytes
        self.ledger(lines)
        if self._held >= PART_BYTES:
            self._flush()

    def ledger(self, lines: pa.Table) -> None:
        """Append ledger lines."""
        if lines.num_rows:
            self._lines.append(lines.cast(LEDGER_SCHEMA))

    def path(self, name: str) -> Path:
        """A path to write the side file or folder `name` at."""
        path = self.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def counts(self) -> dict[str, Any]:
        """Rows written and ledger lines by rule, so far (flushes what is held)."""
        self._flush()
        return self._counts.model_dump()

    def next_index(self) -> int:
        """Reserve the index of the next part."""
        self._flush()
        self._next += 1
        return self._next - 1

    def adopt(self, done: PartDone) -> None:
        """Take over a part that an engine wrote under an index from `next_index`; parts come in index order."""
        if done.part is not None:
            self._parts.append(done.part)
        counts = self._counts
        counts.rows_out += done.counts.rows_out
        pairs = zip(
            (counts.dropped, counts.changed, counts.derived, counts.marked),
            (done.counts.dropped, done.counts.changed, done.counts.derived, done.counts.marked),
            strict=True,
        )
        for mine, theirs in pairs:
            for rule, n in theirs.items():
                mine[rule] = mine.get(rule, 0) + n

    def _flush(self) -> None:
        if not self._rows and not self._lines:
            return
        lines = pa.concat_tables([LEDGER_SCHEMA.empty_table(), *self._lines])
        if self._rows:
            table = pa.concat_tables(self._rows).combine_chunks()
        elif self._schema is not None:
            table = self._schema.empty_table()
        else:
            table = pa.table({})
        self._rows, self._lines, self._held = [], [], 0
        self._next += 1
        self.adopt(write_part(self.folder, self._next - 1, table, lines))

    def finish(self) -> tuple[list[Part], Counts, str | None]:
        """Flush, and return the parts in order, the counts and the content digest (None when there is no table)."""
        self._flush()
        parts = [part for part in self._parts if part.rows] or self._parts[:1]
        shutil.rmtree(self.folder / "done", ignore_errors=True)
        drafts = [path for name in ("parts", "ledger") for path in (self.folder / name).iterdir()]
        for path in drafts:
            if path.suffix != ".parquet":  # of a process that was killed
                path.unlink()
        if not parts:
            shutil.rmtree(self.folder / "digests", ignore_errors=True)
            return [], self._counts, None
        digest = ContentDigest(pq.read_schema(self.folder / parts[0].path))
        for part in parts:
            digest.update(self._digests(part))
        shutil.rmtree(self.folder / "digests", ignore_errors=True)
        return parts, self._counts, digest.hexdigest()

    def _digests(self, part: Part) -> npt.NDArray[np.uint8]:
        return np.fromfile(self.folder / "digests" / Path(part.path).stem, np.uint8).reshape(-1, 16)


def side_files(folder: Path) -> dict[str, int]:
    """Names (relative to `files/`) and sizes in bytes of a staging folder's side files."""
    root = folder / "files"
    return {str(p.relative_to(root)): p.stat().st_size for p in sorted(root.rglob("*")) if p.is_file()}
