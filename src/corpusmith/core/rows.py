"""The canonical row: columns every dataset artifact has, per shape, and the marks operators leave on rows.

    row_id     large_string  stays through every step
    parent_id  large_string  null for a source row
    source     large_string  root-relative URI of the file the row came from
    <text columns of the shape>
    text       large_string  what is profiled, deduplicated and counted; for the instruction and preference shapes
                             it is rendered from their own columns by `render_text`
    meta       large_string  every other field of the source row, one JSON object ("{}" when there is none)

Columns whose name starts with `_` are marks. They live inside one step only: the engine turns them into ledger
lines and strips them before a part is written.

    _rule       large_string  why the row is to be dropped; null = keep
    _value      float64       the measured value
    _threshold  float64       what it was held against
    _kept       large_string  the id of the row kept instead, for duplicates
    _changed:R  int64         how often rule R changed this row (0 = not)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROW_ID, PARENT_ID, SOURCE, TEXT, META = "row_id", "parent_id", "source", "text", "meta"
RULE, VALUE, THRESHOLD, KEPT = "_rule", "_value", "_threshold", "_kept"
CHANGED = "_changed:"


class Shape(StrEnum):
    """What one row of a dataset is."""

    TEXT = "text"
    INSTRUCTION = "instruction"
    PREFERENCE = "preference"


TEXT_COLUMNS: Mapping[Shape, tuple[str, ...]] = {
    Shape.TEXT: (TEXT,),
    Shape.INSTRUCTION: ("instruction", "input", "output"),
    Shape.PREFERENCE: ("prompt", "chosen", "rejected"),
}
"""The columns a mapper may rewrite, per shape. For all but TEXT, `text` is rendered from them afterwards."""

_STRING = pa.large_string()


def schema_of(shape: Shape) -> pa.Schema:
    """The canonical schema of `shape`."""
    names = [ROW_ID, PARENT_ID, SOURCE]
    names += [] if shape is Shape.TEXT else list(TEXT_COLUMNS[shape])
    return pa.schema([pa.field(name, _STRING) for name in [*names, TEXT, META]])


def shape_of(schema: pa.Schema) -> Shape:
    """The shape of a table by its columns."""
    names = set(schema.names)
    for shape in (Shape.PREFERENCE, Shape.INSTRUCTION):
        if names.issuperset(TEXT_COLUMNS[shape]):
            return shape
    return Shape.TEXT


def render_text(table: pa.Table) -> pa.Table:
    """Set `text` from the shape's own columns (non-empty parts joined by a blank line). TEXT tables come back as is."""
    shape = shape_of(table.schema)
    if shape is Shape.TEXT:
        return table
    columns = [table.column(name).to_pylist() for name in TEXT_COLUMNS[shape]]
    text = ["\n\n".join(part for part in parts if part) for parts in zip(*columns, strict=True)]
    return set_column(table, TEXT, pa.array(text, _STRING))


def set_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Replace the column `name` in place, or append it."""
    index = table.schema.get_field_index(name)
    return table.append_column(name, values) if index < 0 else table.set_column(index, name, values)


def mark(
    table: pa.Table,
    drop: npt.NDArray[np.bool_],
    rule: str,
    value: npt.NDArray[Any] | float | None = None,
    threshold: npt.NDArray[Any] | float | None = None,
    kept: Sequence[str | None] | None = None,
) -> pa.Table:
    """Mark the rows where `drop` is true as dropped by `rule`; rows marked earlier keep their first mark.

    Args:
        table: Any table with n rows.
        drop: n booleans.
        rule: Name of the rule, as the ledger shows it.
        value: n measured values, or one for all.
        threshold: What the values were held against: n numbers, or one for all.
        kept: n ids of the rows kept instead (duplicates only).
    """
    rows = table.num_rows
    if RULE in table.schema.names:
        old_rule = table.column(RULE)
        free = np.asarray(pc.is_null(old_rule))
    else:
        free = np.ones(rows, bool)
        table = table.append_column(RULE, pa.nulls(rows, _STRING))
        table = table.append_column(VALUE, pa.nulls(rows, pa.float64()))
        table = table.append_column(THRESHOLD, pa.nulls(rows, pa.float64()))
        table = table.append_column(KEPT, pa.nulls(rows, _STRING))
    hit = np.asarray(drop, bool) & free
    if not hit.any():
        return table
    mask = pa.array(hit)
    values = np.full(rows, np.nan if value is None else value, float) if np.isscalar(value) or value is None else value
    new = {
        RULE: pa.array([rule] * rows, _STRING),
        VALUE: pa.array(np.asarray(values, float), from_pandas=True),
        THRESHOLD: pa.array(np.full(rows, np.nan if threshold is None else threshold), from_pandas=True),
        KEPT: pa.nulls(rows, _STRING) if kept is None else pa.array(list(kept), _STRING),
    }
    for name, column in new.items():
        table = set_column(table, name, pc.if_else(mask, column, table.column(name)))
    return table


def note_changed(table: pa.Table, rule: str, counts: npt.NDArray[np.int64]) -> pa.Table:
    """Add `counts` (n int64, 0 = untouched) to how often `rule` changed each row."""
    name = CHANGED + rule
    if name in table.schema.names:
        counts = np.asarray(table.column(name)) + counts
    return set_column(table, name, pa.array(np.asarray(counts, np.int64)))


def marks_in(table: pa.Table) -> list[str]:
    """Names of the mark columns in `table`."""
    return [name for name in table.schema.names if name.startswith("_")]


def meta_values(table: pa.Table, path: str) -> list[Any]:
    """The value at a dotted `path` for each row: a column of that name, else looked up in `meta` (None = absent)."""
    if path in table.schema.names and path != META:
        values: list[Any] = table.column(path).to_pylist()
        return values
    keys = path.split(".")
    out = []
    for raw in table.column(META).to_pylist():
        value: Any = json.loads(raw) if raw else {}
        if isinstance(value, dict) and path in value:
            out.append(value[path])
            continue
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        out.append(value)
    return out


LEDGER_SCHEMA = pa.schema(
    [
        pa.field(ROW_ID, _STRING),
        pa.field("action", _STRING),  # drop | change | mark | derive
        pa.field("rule", _STRING),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("kept_row_id", _STRING),
        pa.field("detail", _STRING),  # JSON or null
    ]
)
"""One line of the row ledger. `value` is the measured value of a drop, the number of places of a change."""
