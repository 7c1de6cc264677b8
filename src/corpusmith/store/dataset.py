"""A stored dataset artifact, to read: an implementation of `core.tools.Dataset` over its record and parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.rows import LEDGER_SCHEMA, Shape, shape_of
from corpusmith.store.records import ArtifactRecord


class StoredDataset:
    """Read access to one artifact. `folder` holds `parts/`, `ledger/` and `files/`."""

    def __init__(self, record: ArtifactRecord, folder: Path) -> None:
        self.record = record
        self.folder = folder

    @property
    def id(self) -> str:
        """Artifact id."""
        return self.record.id

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.record.rows

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts as stored."""
        return self.record.size_bytes

    @property
    def part_paths(self) -> list[Path]:
        """Parquet files in row order."""
        return [self.folder / part.path for part in self.record.parts]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of every part."""
        if not self.record.parts:
            raise PreconditionError(f"artifact {self.id} ({self.record.kind}) holds no rows table", hint="")
        return pq.read_schema(self.part_paths[0])

    @property
    def shape(self) -> Shape:
        """What one row is."""
        return shape_of(self.schema)

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
        """The rows in order, as tables of at most `rows` rows."""
        for path in self.part_paths:
            yield from part_batches(path, columns, rows)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows at once: only for few columns or small data."""
        names = None if columns is None else list(columns)
        return pa.concat_tables([pq.read_table(path, columns=names) for path in self.part_paths])

    def file(self, name: str) -> Path:
        """Path of the side file or folder `name`.

        Raises:
            NotFoundError: The artifact has no such file.
        """
        path = self.folder / "files" / name
        if not path.exists():
            raise NotFoundError(f"artifact {self.id} has no file {name!r}", hint=f"It has: {sorted(self.record.files)}")
        return path

    def ledger(self) -> pa.Table:
        """Every line of the step's row ledger (`core.rows.LEDGER_SCHEMA`)."""
        paths = sorted((self.folder / "ledger").glob("*.parquet"))
        tables = [pq.read_table(path) for path in paths]
        return pa.concat_tables(tables) if tables else LEDGER_SCHEMA.empty_table()


def part_batches(path: Path, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
    """The rows of one Parquet part in order, as tables of at most `rows` rows."""
    with pq.ParquetFile(path) as part:
        for batch in part.iter_batches(batch_size=rows, columns=None if columns is None else list(columns)):
            yield pa.Table.from_batches([batch])
