"""Building tables of canonical rows, and the JSON of `meta`."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from corpusmith.core.rows import META, PARENT_ID, ROW_ID, SOURCE, TEXT, TEXT_COLUMNS, Shape, render_text, schema_of
from corpusmith.sources.encoding import join_surrogates

_BATCH_CHARS = 1 << 25
_STRING = pa.large_string()
_NEVER_PLAIN = (RecursionError, TypeError, ValueError)


def _unusual(value: Any) -> Any:
    """What JSON has no form for: dates as ISO 8601, bytes as base64, decimals and the rest as their text."""
    if isinstance(value, datetime.date | datetime.datetime | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return str(value)
    return str(value)


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, default=_unusual).encode


def meta_json(fields: Mapping[str, Any]) -> str:
    """`fields` as one JSON object: sorted keys, NaN as null, infinities as strings; never fails."""
    if not fields:
        return "{}"
    try:
        return _encode(fields)
    except _NEVER_PLAIN:
        return _encode(_plain(fields, 0))


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if depth > 100:
        return str(type(value).__name__)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value


class RowBuilder:
    """Collects rows and hands them out as tables of `core.rows.schema_of(shape)`.

    Args:
        shape: Shape of every row.
        rows: Most rows of a table; a table is also full at 32 Mi characters.
    """

    def __init__(self, shape: Shape, rows: int) -> None:
        self.repaired = 0
        self._shape = shape
        self._rows = rows
        self._names = TEXT_COLUMNS[shape]
        self._columns: list[list[str]] = []
        self._chars = 0
        self._clear()

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def full(self) -> bool:
        """Whether the table should be taken now."""
        return len(self) >= self._rows or self._chars >= _BATCH_CHARS

    def add(self, row_id: str, source: str, values: tuple[str, ...], meta: str) -> None:
        """Add one row; `values` in the order of `core.rows.TEXT_COLUMNS[shape]`."""
        for column, value in zip(self._columns, (row_id, source, meta, *values), strict=True):
            column.append(value)
        self._chars += len(meta) + sum(map(len, values))

    def take(self) -> pa.Table:
        """The rows so far, as a table; the builder is empty after."""
        ids, sources, meta, *texts = [self._array(column) for column in self._columns]
        data = {ROW_ID: ids, PARENT_ID: pa.nulls(len(ids), _STRING), SOURCE: sources, META: meta}
        data |= dict(zip(self._names, texts, strict=True))
        data.setdefault(TEXT, pa.nulls(len(ids), _STRING))
        schema = schema_of(self._shape)
        table = pa.table([data[name] for name in schema.names], schema=schema)
        self._clear()
        return render_text(table)

    def _array(self, values: list[str]) -> pa.Array:
        try:
            return pa.array(values, _STRING)
        except UnicodeEncodeError:
            clean = [join_surrogates(value) for value in values]
            self.repaired += sum(old != new for old, new in zip(values, clean, strict=True))
            return pa.array(clean, _STRING)

    def _clear(self) -> None:
        self._columns = [[] for _ in range(3 + len(self._names))]
        self._chars = 0
