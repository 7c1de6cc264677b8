"""Apply functions of one text to the text columns of a batch; the mappers of `repair` and `markup` are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.rows import TEXT_COLUMNS, note_changed, render_text, set_column, shape_of
from corpusmith.ops.language import LANG
from corpusmith.ops.signals import PREFIX

RowsOf = Callable[[pa.ChunkedArray], npt.NDArray[np.int64]]
"""The rows of a string column to look at, in order."""
Rewrite = Callable[[str], tuple[str, int]]
"""A function of one text: the new text and how many places changed (0 = the same text)."""


def every_row(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """All rows of a column."""
    return np.arange(len(column))


def rewrite(batch: pa.Table, rules: Sequence[tuple[str, Rewrite]], rows_of: RowsOf = every_row) -> pa.Table:
    """Apply `rules`, in order, to every text column of the batch's shape, and note each rule's changes per row.

    Where a text changed, what earlier operators measured on it (`_signal:...`, `_lang...`) is dropped as stale.
    `rows_of` names the rows of a column that some rule may change or count; only these are looked at.
    """
    counts = {rule: np.zeros(batch.num_rows, np.int64) for rule, _ in rules}
    for column in TEXT_COLUMNS[shape_of(batch.schema)]:
        rows = rows_of(batch.column(column))
        texts = batch.column(column).take(pa.array(rows)).to_pylist()
        changed: dict[int, str] = {}
        for row, text in zip(rows.tolist(), texts, strict=True):
            new = text
            for rule, function in rules:
                if new:
                    new, places = function(new)
                    counts[rule][row] += places
            if new is not text and new != text:
                changed[row] = new
        if changed:
            batch = set_column(batch, column, _replaced(batch.column(column), changed))
    for rule, of_rows in counts.items():
        if of_rows.any():
            batch = note_changed(_without_stale(batch), rule, of_rows)
    return render_text(batch)


def _replaced(column: pa.ChunkedArray, texts: Mapping[int, str]) -> pa.Array:
    """The column with `texts` in place of what their rows held."""
    here = np.zeros(len(column), np.bool_)
    here[list(texts)] = True
    whole = column.combine_chunks().cast(pa.large_string())
    return pc.replace_with_mask(whole, pa.array(here), pa.array(texts.values(), pa.large_string()))


def _without_stale(batch: pa.Table) -> pa.Table:
    stale = [name for name in batch.schema.names if name.startswith((PREFIX, LANG))]
    return batch.drop_columns(stale) if stale else batch
