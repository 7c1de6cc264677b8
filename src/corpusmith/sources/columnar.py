"""Parquet files and saved Hugging Face datasets, read a batch at a time; a row group that fails costs its own rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import repair
from corpusmith.sources.files import SourceFile, is_local
from corpusmith.sources.items import Bad, FileReport, Item, ReadOptions

_BATCH = 512
_SPLITS = "dataset_dict.json"
_FAULTS = (OSError, pa.ArrowException)


def read_parquet(file: SourceFile, options: ReadOptions, report: FileReport) -> Iterator[Item]:
    """The rows of a Parquet file; a compressed one is unpacked to a temporary file first."""
    report.encoding = "utf-8"
    raw = file.open()
    if raw.read(4) == b"PAR1":
        raw.seek(0)
        with raw:
            yield from _row_groups(raw, report)
        return
    raw.seek(0)
    with raw, tempfile.TemporaryFile() as unpacked:
        stream = ByteStream(raw, options.max_decompressed_bytes)
        for chunk in stream:
            unpacked.write(chunk)
        if stream.damage is not None:
            yield Bad(stream.damage)
            return
        unpacked.seek(0)
        yield from _row_groups(unpacked, report)


def _row_groups(source: Any, report: FileReport) -> Iterator[Item]:
    try:
        parquet = pq.ParquetFile(source, page_checksum_verification=True)
    except _FAULTS as error:
        yield Bad(f"not a whole Parquet file: {_short(error)}")
        return
    for group in range(parquet.num_row_groups):
        rows, done = parquet.metadata.row_group(group).num_rows, 0
        try:
            for batch in parquet.iter_batches(batch_size=_BATCH, row_groups=[group]):
                records = list(_records(pa.Table.from_batches([batch]), report))
                yield from records
                done += len(records)
        except _FAULTS as error:
            bad = Bad(f"row group {group} cannot be read: {_short(error)}")
            for _ in range(rows - done):
                yield bad


def read_saved(file: SourceFile, report: FileReport) -> Iterator[Item]:
    """The rows of a dataset folder written by `datasets.Dataset.save_to_disk`.

    In a `DatasetDict` the name of the folder is the row's split; rows without a field `split` get it as one.
    """
    from datasets import load_from_disk

    report.encoding = "utf-8"
    try:
        data = load_from_disk(file.path if is_local(file.fs) else file.fs.unstrip_protocol(file.path))
    except (*_FAULTS, ValueError, KeyError, TypeError) as error:
        yield Bad(f"not a whole saved dataset: {_short(error)}")
        return
    folder, _, split = file.path.rstrip("/").rpartition("/")
    named = {"split": split} if file.fs.exists(f"{folder}/{_SPLITS}") else {}
    done, total = 0, len(data)
    try:
        for table in data.with_format("arrow").iter(batch_size=_BATCH):
            records = [named | record for record in _records(table, report)]
            yield from records
            done += len(records)
    except _FAULTS as error:
        bad = Bad(f"the dataset cannot be read further: {_short(error)}")
        for _ in range(total - done):
            yield bad


def _records(table: pa.Table, report: FileReport) -> Iterator[dict[str, Any]]:
    names = table.column_names
    columns = [_values(column, report) for column in table.columns]
    if not columns:
        return ({} for _ in range(table.num_rows))
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _values(column: pa.ChunkedArray, report: FileReport) -> list[Any]:
    """Python values of a column; invalid UTF-8 is repaired, dates outside Python's range come as strings."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise pa.ArrowInvalid("a nested string is not UTF-8") from None
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else _text(value, report) for value in raw]
    except (ValueError, OverflowError):
        text: list[Any] = pc.cast(column, pa.string()).to_pylist()
        return text
    return values


def _text(raw: bytes, report: FileReport) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        report.repaired += 1
        return repair(raw, "cp1252")


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
