"""Row operators over personal data: count it, or replace it by typed placeholders.

Both look at the text columns of the row's shape and at every string inside `meta`. A string in `meta` is read with its
key in front of it, so `{"phone": "467 3395"}` has the context it needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import META, TEXT_COLUMNS, note_changed, render_text, set_column, shape_of
from corpusmith.ops.memo import remembered
from corpusmith.ops.pii.hints import Hints, guess, look
from corpusmith.ops.pii.kinds import KINDS
from corpusmith.ops.pii.scan import check_kinds, find, mask

_STRING = pa.large_string()
Look = Callable[[str], Hints]


@dataclass(frozen=True)
class DetectPii:
    """Adds one int64 column `pii:<kind>` per kind: how many places of the row hold it (text columns and meta).

    Attributes:
        kinds: Kinds to count; none = all.
    """

    kinds: tuple[str, ...] = ()
    name: str = "DetectPii"

    def __post_init__(self) -> None:
        check_kinds(self.kinds)

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the count columns added."""
        wanted = check_kinds(self.kinds)
        counts = {kind: np.zeros(batch.num_rows, np.int64) for kind in wanted}
        for column in TEXT_COLUMNS[shape_of(batch.schema)]:
            texts = batch.column(column).to_pylist()
            for row, kinds in enumerate(remembered(("pii", wanted), texts, lambda text: _kinds_in(text, wanted))):
                for kind in kinds:
                    counts[kind][row] += 1
        if META in batch.schema.names:
            metas = batch.column(META).to_pylist()
            found = remembered(("pii in meta", wanted), metas, lambda raw: mask_meta(raw, wanted, look)[1])
            for row, of_row in enumerate(found):
                for kind, times in of_row.items():
                    counts[kind][row] += times
        for kind, values in counts.items():
            batch = set_column(batch, KINDS[kind].column, pa.array(values))
        return batch


def _kinds_in(text: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(span.kind for span in find(text, wanted, look(text)))


@dataclass(frozen=True)
class MaskPii:
    """Replaces personal data by placeholders such as `[EMAIL]`; notes each kind under the rule `pii.<kind>`.

    Attributes:
        kinds: Kinds to mask; none = all.
    """

    kinds: tuple[str, ...] = ()
    name: str = "MaskPii"

    def __post_init__(self) -> None:
        check_kinds(self.kinds)

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with text columns and meta masked."""
        wanted = check_kinds(self.kinds)
        counts = {kind: np.zeros(batch.num_rows, np.int64) for kind in wanted}
        maskers: list[tuple[str, Callable[[str, tuple[str, ...], Look], tuple[str, dict[str, int]]]]]
        maskers = [(column, mask) for column in TEXT_COLUMNS[shape_of(batch.schema)]]
        if META in batch.schema.names:
            maskers.append((META, mask_meta))
        for column, masker in maskers:
            values = batch.column(column).to_pylist()
            touched = False
            for row, value in enumerate(values):
                if not value:
                    continue
                values[row], found = masker(value, wanted, look)
                for kind, times in found.items():
                    counts[kind][row] += times
                    touched = True
            if touched:
                batch = set_column(batch, column, pa.array(values, _STRING))
        for kind, hits in counts.items():
            if hits.any():
                batch = note_changed(batch, f"pii.{kind.lower()}", hits)
        return render_text(batch)


def mask_meta(raw: str, names: tuple[str, ...] = (), look: Look = guess) -> tuple[str, dict[str, int]]:
    """A JSON text with every string value masked, and the counts per kind; keys and numbers stay.

    What is no JSON is masked as plain text. A text without personal data comes back byte for byte. `look` is asked
    what a text may hold.
    """
    if len(raw) < 7:
        return raw, {}
    try:
        value = json.loads(raw)
        counts: dict[str, int] = {}
        masked = _mask_value(value, "", names, counts, look)
    except (ValueError, RecursionError):
        return mask(raw, names, look)
    if not counts:
        return raw, {}
    return json.dumps(masked, ensure_ascii="\\ud" in raw.lower()), counts


def _mask_value(value: Any, key: str, names: tuple[str, ...], counts: dict[str, int], look: Look) -> Any:
    if isinstance(value, dict):
        return {name: _mask_value(item, name, names, counts, look) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask_value(item, key, names, counts, look) for item in value]
    if not isinstance(value, str) or len(value) < 4:
        return value
    lead = f"{key.replace('_', ' ')}: " if key else ""
    masked, found = mask(lead + value, names, look)
    if not found:
        return value
    if not masked.startswith(lead):
        masked, found = mask(value, names, look)
        lead = ""
    for kind, times in found.items():
        counts[kind] = counts.get(kind, 0) + times
    return masked[len(lead) :]
