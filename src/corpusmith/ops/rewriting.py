"""Apply functions of one text to the text columns of a batch; the mappers of `repair` and `markup` are made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import TEXT_COLUMNS, note_changed, render_text, set_column, shape_of
from corpusmith.ops.language import LANG
from corpusmith.ops.signals import PREFIX

Rewrite = Callable[[str], tuple[str, int]]
"""A function of one text: the new text and how many places changed (0 = the same text)."""


def rewrite(batch: pa.Table, rules: Sequence[tuple[str, Rewrite]]) -> pa.Table:
    """Apply `rules`, in order, to every text column of the batch's shape, and note each rule's changes per row.

    Where a text changed, what earlier operators measured on it (`_signal:...`, `_lang...`) is dropped as stale.
    """
    counts = {rule: np.zeros(batch.num_rows, np.int64) for rule, _ in rules}
    for column in TEXT_COLUMNS[shape_of(batch.schema)]:
        texts = batch.column(column).to_pylist()
        touched = False
        for row, text in enumerate(texts):
            new = text
            for rule, function in rules:
                if new:
                    new, places = function(new)
                    counts[rule][row] += places
            if new is not text and new != text:
                texts[row] = new
                touched = True
        if touched:
            batch = set_column(batch, column, pa.array(texts, pa.large_string()))
    for rule, changed in counts.items():
        if changed.any():
            batch = note_changed(_without_stale(batch), rule, changed)
    return render_text(batch)


def _without_stale(batch: pa.Table) -> pa.Table:
    stale = [name for name in batch.schema.names if name.startswith((PREFIX, LANG))]
    return batch.drop_columns(stale) if stale else batch
