"""Published quality rules as filters: each is a row operator that marks the rows that break it, with value and limit.

Thresholds are fields with the published values; None leaves a rule out. They were set on English web text: the rule
on English stop words asks only of rows in English, the rules on word length and n-grams not of scripts without spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import TEXT, mark, meta_values
from corpusmith.ops.language import LANG, detect
from corpusmith.ops.signals import Signals, signal
from corpusmith.ops.truncated import LIKELY, truncation

Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
SPACELESS = 0.3
"""Share of characters of scripts without spaces from which on rules about words do not ask."""


@dataclass(frozen=True)
class Broken:
    """One rule held against a batch: n booleans, n values, the threshold."""

    rule: str
    rows: Bools
    values: Values
    threshold: float


def _over(rule: str, values: Values, high: float | None, asked: Bools | None = None) -> Iterator[Broken]:
    if high is not None:
        rows = values > high
        yield Broken(rule, rows if asked is None else rows & asked, values, high)


def _under(rule: str, values: Values, low: float | None, asked: Bools | None = None) -> Iterator[Broken]:
    if low is not None:
        rows = values < low
        yield Broken(rule, rows if asked is None else rows & asked, values, low)


@dataclass(frozen=True)
class _Rules:
    """A family of rules; subclasses say which."""

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Every rule of the family held against a batch that has signals, in order."""
        raise NotImplementedError

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with signals, marked; a row shows the first rule it breaks."""
        batch = Signals().apply(batch)
        for rule in self.broken(batch):
            batch = mark(batch, rule.rows, rule.rule, rule.values, rule.threshold)
        return batch


@dataclass(frozen=True)
class GopherQuality(_Rules):
    """Gopher's quality rules (Rae et al. 2021, A.1.1).

    Attributes:
        min_words: Fewest words. Set it None for short rows (chat, question and answer).
        max_words: Most words.
        min_mean_word_chars: Least mean length of a word.
        max_mean_word_chars: Largest mean length of a word.
        max_symbol_word_ratio: Most # or ellipses per token.
        max_bullet_line_frac: Largest share of lines with a bullet.
        max_ellipsis_line_frac: Largest share of lines that end with an ellipsis.
        min_alpha_word_frac: Smallest share of words with a letter; words as white space parts them, so that the
            marks beside a word are no words of their own.
        min_stop_words: Fewest different English stop words, of rows in English with at least `stop_word_words` words.
        stop_word_words: Words from which on stop words are asked for.
        language: The language of every row, when known; None = what `Language` found, else detected where it matters.
    """

    min_words: int | None = 50
    max_words: int | None = 100_000
    min_mean_word_chars: float | None = 3
    max_mean_word_chars: float | None = 10
    max_symbol_word_ratio: float | None = 0.1
    max_bullet_line_frac: float | None = 0.9
    max_ellipsis_line_frac: float | None = 0.3
    min_alpha_word_frac: float | None = 0.8
    min_stop_words: int | None = 2
    stop_word_words: int = 1
    language: str | None = None
    name: str = "gopher_quality"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Every rule held against a batch that has signals."""
        name = self.name
        words, mean = signal(batch, "n_words"), signal(batch, "mean_word_chars")
        spaced = (signal(batch, "spaceless_frac") < SPACELESS) & (words > 0)
        yield from _under(f"{name}.min_words", words, self.min_words)
        yield from _over(f"{name}.max_words", words, self.max_words)
        yield from _under(f"{name}.min_mean_word_chars", mean, self.min_mean_word_chars, spaced)
        yield from _over(f"{name}.max_mean_word_chars", mean, self.max_mean_word_chars, spaced)
        yield from _over(f"{name}.symbol_word_ratio", signal(batch, "symbol_word_ratio"), self.max_symbol_word_ratio)
        yield from _over(f"{name}.bullet_line_frac", signal(batch, "bullet_line_frac"), self.max_bullet_line_frac)
        yield from _over(f"{name}.ellipsis_line_frac", signal(batch, "ellipsis_line_frac"), self.max_ellipsis_line_frac)
        alpha, tokens = signal(batch, "alpha_word_frac"), signal(batch, "n_tokens")
        yield from _under(f"{name}.alpha_word_frac", alpha, self.min_alpha_word_frac, tokens > 0)
        if self.min_stop_words is not None:
            stops = signal(batch, "stop_words")
            few = (stops < self.min_stop_words) & spaced & (words >= self.stop_word_words)
            yield Broken(f"{name}.stop_words", few & self._english(batch, few), stops, self.min_stop_words)

    def _english(self, batch: pa.Table, asked: Bools) -> Bools:
        """Which rows are in English; looked at only where `asked`."""
        if self.language is not None:
            return np.full(batch.num_rows, self.language == "en")
        if LANG in batch.schema.names:
            return np.array([code == "en" for code in batch.column(LANG).to_pylist()], bool)
        english = np.zeros(batch.num_rows, bool)
        places = np.flatnonzero(asked)
        codes, _ = detect(batch.column(TEXT).take(pa.array(places)).to_pylist())
        english[places] = [code == "en" for code in codes]
        return english


@dataclass(frozen=True)
class GopherRepetition(_Rules):
    """Gopher's repetition rules (Rae et al. 2021, table A1).

    Attributes:
        max_dup_line_frac: Repeated lines.
        max_dup_par_frac: Repeated paragraphs.
        max_dup_line_char_frac: Characters in them.
        max_dup_par_char_frac: Characters in them.
        max_top_ngram: Characters in the most frequent 2-, 3- and 4-gram.
        max_dup_ngram: Characters in repeated 5- to 10-grams.
    """

    max_dup_line_frac: float | None = 0.30
    max_dup_par_frac: float | None = 0.30
    max_dup_line_char_frac: float | None = 0.20
    max_dup_par_char_frac: float | None = 0.20
    max_top_ngram: tuple[float, float, float] | None = (0.20, 0.18, 0.16)
    max_dup_ngram: tuple[float, float, float, float, float, float] | None = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    name: str = "gopher_repetition"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Every rule held against a batch that has signals."""
        for part in ("dup_line_frac", "dup_par_frac", "dup_line_char_frac", "dup_par_char_frac"):
            yield from _over(f"{self.name}.{part}", signal(batch, part), getattr(self, f"max_{part}"))
        spaced = signal(batch, "spaceless_frac") < SPACELESS
        named = [("top", n, high) for n, high in enumerate(self.max_top_ngram or (), 2)]
        named += [("dup", n, high) for n, high in enumerate(self.max_dup_ngram or (), 5)]
        for kind, n, high in named:
            part = f"{kind}_{n}gram_char_frac"
            yield from _over(f"{self.name}.{part}", signal(batch, part), high, spaced)


@dataclass(frozen=True)
class C4Quality(_Rules):
    """C4's page rules (Raffel et al. 2020, section 2.2); its line rules only decide which sentences count.

    Attributes:
        min_sentences: Fewest sentences in lines that end with a mark, have 3 words and no script or cookie notice.
        curly_brackets: Whether a page with a curly bracket goes. It takes every page with code.
        lorem_ipsum: Whether a page with that phrase goes.
    """

    min_sentences: int | None = 5
    curly_brackets: bool = True
    lorem_ipsum: bool = True
    name: str = "c4_quality"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Every rule held against a batch that has signals."""
        yield from _over(f"{self.name}.lorem_ipsum", signal(batch, "lorem_ipsum"), 0 if self.lorem_ipsum else None)
        curly = signal(batch, "curly_brackets")
        yield from _over(f"{self.name}.curly_brackets", curly, 0 if self.curly_brackets else None)
        yield from _under(f"{self.name}.sentences", signal(batch, "c4_sentences"), self.min_sentences)


@dataclass(frozen=True)
class FineWebQuality(_Rules):
    """FineWeb's own rules (Penedo et al. 2024, section 3.6).

    Attributes:
        min_line_punct_frac: Smallest share of lines that end with a mark.
        max_short_line_frac: Largest share of lines of at most 30 characters.
        max_dup_line_char_frac: Largest share of characters in repeated lines: 0.01 as in FineWeb's code; the paper
            and FineWeb2 say 0.1.
        max_list_ratio: Most line feeds per token.
    """

    min_line_punct_frac: float | None = 0.12
    max_short_line_frac: float | None = 0.67
    max_dup_line_char_frac: float | None = 0.01
    max_list_ratio: float | None = 0.3
    name: str = "fineweb_quality"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Every rule held against a batch that has signals."""
        name, some = self.name, signal(batch, "n_lines") > 0
        yield from _under(f"{name}.line_punct_frac", signal(batch, "line_punct_frac"), self.min_line_punct_frac, some)
        yield from _over(f"{name}.short_line_frac", signal(batch, "short_line_frac"), self.max_short_line_frac)
        yield from _over(f"{name}.dup_line_char_frac", signal(batch, "dup_line_text_frac"), self.max_dup_line_char_frac)
        yield from _over(f"{name}.list_ratio", signal(batch, "list_ratio"), self.max_list_ratio)


@dataclass(frozen=True)
class LengthFilter(_Rules):
    """Marks rows whose length in `unit` lies outside [low, high] with `length.short` or `length.long`."""

    unit: Literal["chars", "words", "tokens"] = "words"
    low: int | None = None
    high: int | None = None
    name: str = "length"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """Both bounds held against a batch that has signals."""
        length = signal(batch, f"n_{self.unit}")
        yield from _under(f"{self.name}.short", length, self.low)
        yield from _over(f"{self.name}.long", length, self.high)


@dataclass(frozen=True)
class EmptyFilter(_Rules):
    """Marks rows without a character that shows (rule `empty`)."""

    name: str = "empty"

    def broken(self, batch: pa.Table) -> Iterator[Broken]:
        """The rule held against a batch that has signals."""
        yield from _under(self.name, signal(batch, "n_lines"), 1)


@dataclass(frozen=True)
class TruncatedFilter:
    """Row operator: marks rows cut off in the middle with the rule `truncated`; the value is how sure that is (0–1).

    Attributes:
        min_certainty: 0.8 marks long last lines without a mark too, 1.0 only dangling words, commas and teasers.
    """

    min_certainty: float = LIKELY
    name: str = "truncated"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with signals, marked."""
        batch = Signals().apply(batch)
        values = truncation(batch)
        return mark(batch, values >= self.min_certainty, self.name, values, self.min_certainty)


@dataclass(frozen=True)
class NumberFilter:
    """Marks rows whose number at the dotted path `field` lies outside [low, high]: `number.<field>.low`, `….high`.

    What is no number (absent, text that does not read as one, NaN) is marked `number.<field>.missing` unless
    `keep_missing`. Text such as "12.50" reads as a number.
    """

    field: str
    low: float | None = None
    high: float | None = None
    keep_missing: bool = False
    name: str = "number"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch, marked."""
        values = np.array([_number(value) for value in meta_values(batch, self.field)], float)
        rule, missing = f"{self.name}.{self.field}", np.isnan(values)
        if not self.keep_missing:
            batch = mark(batch, missing, f"{rule}.missing")
        if self.low is not None:
            batch = mark(batch, ~missing & (values < self.low), f"{rule}.low", values, self.low)
        if self.high is not None:
            batch = mark(batch, ~missing & (values > self.high), f"{rule}.high", values, self.high)
        return batch


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
