"""Signals: every figure that the published text-quality rules look at, measured once per row.

Rae et al. 2021 (Gopher quality and repetition, table A1), Raffel et al. 2020 (C4 page rules), Penedo et al. 2024
(FineWeb). Filters (`ops.quality`) hold them against thresholds, the profiler stores them. A signal is a mark column,
`_signal:<name>`: operators of one step share it, no dataset holds it.

Where we depart: a word is a token with a letter, digit or mark (`kernels.tokens`); shares of lines are of non-blank
lines; a top n-gram counts only when it repeats, so that three-word rows do not fail; English stop words count in any
case; a mark before a closing quote or bracket ends its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import TEXT
from corpusmith.ops.kernels.characters import character_table

PREFIX = "_signal:"

SIGNALS: Mapping[str, tuple[str, str]] = {
    "n_chars": ("code points", "count"),
    "n_words": ("tokens that hold a letter, digit or mark; each character where a script has no spaces", "count"),
    "n_tokens": ("words and punctuation marks", "count"),
    "n_lines": ("lines that are not blank", "count"),
    "n_newlines": ("line feeds", "count"),
    "n_paragraphs": ("runs of lines that are not blank", "count"),
    "n_sentences": ("sentence ends", "count"),
    "mean_word_chars": ("mean length of a word", "characters"),
    "symbol_word_ratio": ("the more frequent of # and ellipsis, per token", "ratio"),
    "bullet_line_frac": ("lines that begin with a bullet", "share of lines"),
    "ellipsis_line_frac": ("lines that end with an ellipsis", "share of lines"),
    "alpha_word_frac": ("runs between white space with a letter", "share of runs"),
    "stop_words": ("different ones of: the be to of and that have with", "count"),
    "dup_line_frac": ("lines that stand earlier", "share of lines"),
    "dup_par_frac": ("paragraphs that stand earlier", "share of paragraphs"),
    "dup_line_char_frac": ("characters in lines that stand earlier", "share of characters"),
    "dup_par_char_frac": ("characters in paragraphs that stand earlier", "share of characters"),
    "top_2gram_char_frac": ("characters in the most frequent repeated 2-gram", "share of characters"),
    "top_3gram_char_frac": ("characters in the most frequent repeated 3-gram", "share of characters"),
    "top_4gram_char_frac": ("characters in the most frequent repeated 4-gram", "share of characters"),
    "dup_5gram_char_frac": ("characters in repeated 5-grams", "share of characters"),
    "dup_6gram_char_frac": ("characters in repeated 6-grams", "share of characters"),
    "dup_7gram_char_frac": ("characters in repeated 7-grams", "share of characters"),
    "dup_8gram_char_frac": ("characters in repeated 8-grams", "share of characters"),
    "dup_9gram_char_frac": ("characters in repeated 9-grams", "share of characters"),
    "dup_10gram_char_frac": ("characters in repeated 10-grams", "share of characters"),
    "line_punct_frac": ("lines that end with a sentence's mark", "share of lines"),
    "short_line_frac": ("lines of at most 30 characters", "share of lines"),
    "list_ratio": ("line feeds per token", "ratio"),
    "dup_line_text_frac": ("characters in lines that stand earlier, line feeds aside", "share of characters"),
    "c4_sentences": ("sentences in lines that C4's line rules keep", "count"),
    "curly_brackets": ("opening curly brackets", "count"),
    "lorem_ipsum": ("1 where the phrase stands", "flag"),
    "javascript_lines": ("lines with the word JavaScript", "count"),
    "policy_lines": ("lines with a phrase of cookie and privacy notices", "count"),
    "spaceless_frac": ("letters of scripts without spaces", "share of characters"),
}
"""Every signal: (meaning, unit)."""

INTEGERS = frozenset(name for name, (_, unit) in SIGNALS.items() if unit in {"count", "flag"})


@dataclass(frozen=True)
class Signals:
    """Row operator: reads `text`, adds `_signal:<name>` (int64 or float64) for every name of `SIGNALS`.

    A batch that holds them already comes back as it is.
    """

    name: str = "signals"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with all signals."""
        if PREFIX + "n_chars" in batch.schema.names:
            return batch
        from corpusmith.ops.kernels.text import FIGURES, text_figures  # loads numba: only when used
        from corpusmith.ops.kernels.words import utf8_buffers

        data, offsets = utf8_buffers(batch.column(TEXT))
        figures = text_figures(data, offsets, character_table())
        for index, figure in enumerate(FIGURES):
            values = figures[:, index].astype(np.int64) if figure in INTEGERS else figures[:, index].copy()
            batch = batch.append_column(PREFIX + figure, pa.array(values))
        return batch


def signal(batch: pa.Table, name: str) -> npt.NDArray[Any]:
    """The values of one signal of a batch that holds it."""
    return np.asarray(batch.column(PREFIX + name))
