"""Write formatted rows to files: one file or folder per split, as Parquet, JSON lines or a saved `DatasetDict`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

Files = Literal["parquet", "jsonl", "hf"]
DATA_FILES = {"parquet": "{split}.parquet", "jsonl": "{split}.jsonl", "hf": "{split}/data-*.arrow"}
_DATA_SUFFIXES = {".parquet", ".jsonl", ".arrow"}
_ROWS, _BLOCK = 4096, 1 << 22


def version_of(folder: Path) -> str:
    """`0.0.N`, where N is made of the data files in `folder`: the same files have the same version."""
    hashed = xxhash.xxh3_64()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _DATA_SUFFIXES):
        hashed.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
    return f"0.0.{hashed.intdigest() % 10**9}"


class Export:
    """Writes the splits of one dataset into `folder`; use as a context manager.

    For `hf` the rows go to Arrow streams in `scratch` first, which `datasets` maps into memory and saves, so no
    format writes need the rows of a split in memory at once.
    """

    def __init__(self, folder: Path, files: Files, scratch: Path) -> None:
        self._folder, self._files, self._scratch = folder, files, scratch
        self._writers: dict[str, pq.ParquetWriter | pa.ipc.RecordBatchStreamWriter | _JsonLines] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        scratch.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Export:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
        if kind is None and self._files == "hf":
            self._save_to_disk()

    def write(self, split: str, table: pa.Table) -> None:
        """Append rows to a split; an empty table only makes its file (an empty row group breaks readers)."""
        if split not in self._writers:
            self._writers[split] = self._open(split, table.schema)
        if not table.num_rows:
            return
        writer = self._writers[split]
        if isinstance(writer, pq.ParquetWriter):
            writer.write_table(table, row_group_size=_ROWS)
        elif isinstance(writer, _JsonLines):
            writer.write(table)
        else:
            writer.write_table(table, max_chunksize=_ROWS)

    def _open(self, split: str, schema: pa.Schema) -> pq.ParquetWriter | pa.ipc.RecordBatchStreamWriter | _JsonLines:
        if self._files == "parquet":
            return pq.ParquetWriter(self._folder / f"{split}.parquet", schema, compression="zstd")
        if self._files == "jsonl":
            return _JsonLines(self._folder / f"{split}.jsonl")
        return pa.ipc.new_stream(str(self._scratch / f"{split}.arrow"), schema)

    def _save_to_disk(self) -> None:
        import datasets

        with _no_progress_bars():
            loaded = {name: datasets.Dataset.from_file(str(self._scratch / f"{name}.arrow")) for name in self._writers}
            datasets.DatasetDict(loaded).save_to_disk(str(self._folder))


class _JsonLines:
    """One JSON object a line; `meta` stays a JSON text, as in the other formats: its fields differ from row to row."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    import datasets

    hidden = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            datasets.enable_progress_bars()
