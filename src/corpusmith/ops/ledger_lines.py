"""Row ledger lines that tools write by themselves: of rows they derive, and of rows that left by another door."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from corpusmith.core.rows import LEDGER_SCHEMA


def ledger_lines(
    row_ids: Sequence[str],
    action: Literal["drop", "derive", "mark"],
    rule: str | Sequence[str],
    value: Sequence[float | None] | None = None,
    threshold: float | None = None,
    kept: Sequence[str | None] | None = None,
    detail: Sequence[Mapping[str, Any] | None] | None = None,
) -> pa.Table:
    """Lines in `core.rows.LEDGER_SCHEMA`, one per row id, in order.

    Args:
        row_ids: n row ids.
        action: What happened to them.
        rule: Name of the rule, one for all or n.
        value: n measured values; None = none.
        threshold: What the values were held against.
        kept: n ids of the rows kept instead.
        detail: n mappings of plain values, stored as JSON.
    """
    count = len(row_ids)
    nothing: list[None] = [None] * count
    columns = [
        list(row_ids),
        [action] * count,
        [rule] * count if isinstance(rule, str) else list(rule),
        nothing if value is None else list(value),
        [threshold] * count,
        nothing if kept is None else list(kept),
        nothing
        if detail is None
        else [None if item is None else json.dumps(item, ensure_ascii=False, sort_keys=True) for item in detail],
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, LEDGER_SCHEMA, strict=True)],
        schema=LEDGER_SCHEMA,
    )
