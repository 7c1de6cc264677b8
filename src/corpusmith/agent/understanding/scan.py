"""A sentence in normal form, with a memory of which of its characters a rule has used.

The normal form keeps the way back to the person's own words: every character knows the span it came from. What a rule
has taken is blanked, so no later rule reads it again; what is left at the end was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from corpusmith.agent.understanding.paths import find_paths
from corpusmith.agent.understanding.spelling import corrected
from corpusmith.agent.understanding.words import (
    DIGITS,
    FRACTION_WORDS,
    NEGATION,
    PERCENT_SIGN,
    SCALES,
    SPELLED_NUMBER,
    number_text,
    spelled_value,
)

BLANK = "\x00"
_PLAIN = str.maketrans("’‘“”‐‑–—\u00a0\u202f\t\n\r`\x00", "''\"\"----     ` ")
_NEGATED = re.compile(
    rf"\b{NEGATION}\s+(?:(?:any|the|a|an|be|to|do|in|as|it|them|this|use|apply|into|make|want|need)\s+){{0,3}}$"
)
_CLAUSE_END = re.compile(r"[,;.!?:](?=\s|$)|\bbut\b")
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)")
_SOFT = re.compile(
    r"\b(?:ideally|preferabl[ye]|hopefully|try to|try and|aim(?:ing)? (?:for|at)|if possible|if you can|when possible"
    r"|where possible|best effort|nice to have|would be nice|if it works)\b,?"
)
_LONGEST_NUMBER = 18
"""Digits; a longer run is no amount of anything and is read as a word."""
_WORD = re.compile(r"[^\W\d_]+")
_compiled = lru_cache(maxsize=4096)(re.compile)
"""There are more patterns than `re` itself keeps."""


@dataclass(frozen=True)
class Piece:
    """A run of normal-form characters and the span of the request it stands for."""

    norm: str
    start: int
    end: int


class Scan:
    """One request being read.

    Attributes:
        text: The request as written.
        full: Its normal form, whole.
        norm: The same with what rules have taken blanked.
        paths: The paths and URIs, by the number in their token `‹0›`.
        spelling: Corrections made, as (written, read).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.spelling: list[tuple[str, str]] = []
        spans = find_paths(text)
        self.paths = [path for _, _, path in spans]
        pieces = self._pieces(spans)
        self._start = [
            p.start + (i if len(p.norm) == p.end - p.start else 0) for p in pieces for i in range(len(p.norm))
        ]
        self._end = [
            (p.start + i + 1 if len(p.norm) == p.end - p.start else p.end) for p in pieces for i in range(len(p.norm))
        ]
        self.full = self.norm = "".join(piece.norm for piece in pieces)
        self.soft_spans = self._find_soft()
        self.understood = 0

    def _pieces(self, spans: list[tuple[int, int, str]]) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        for index, (start, end, _) in enumerate(spans):
            pieces += self._plain_pieces(at, start)
            pieces.append(Piece(f"‹{index}›", start, end))
            at = end
        return pieces + self._plain_pieces(at, len(self.text))

    def _plain_pieces(self, start: int, end: int) -> list[Piece]:
        pieces: list[Piece] = []
        at = start
        while at < end:
            piece = self._number(at, end) or self._word(at, end) or Piece(self.text[at].translate(_PLAIN), at, at + 1)
            pieces.append(piece)
            at = piece.end
        return pieces

    def _number(self, at: int, end: int) -> Piece | None:
        for pattern, words in FRACTION_WORDS:
            if match := pattern.match(self.text, at, end):
                return Piece(words, at, match.end())
        value: float
        if match := SPELLED_NUMBER.match(self.text, at, end):
            value = spelled_value(match.group())
        elif match := DIGITS.match(self.text, at, end):
            scale = match.group(2) or match.group(3)
            digits = re.sub(r"[^\d.]", "", match.group(1))
            if len(digits) > _LONGEST_NUMBER:
                return Piece("x" * len(match.group()), at, match.end())
            value = round(float(digits) * (SCALES[scale.lower()] if scale else 1), 9)
        else:
            return None
        share = PERCENT_SIGN.match(self.text, match.end(), end)
        return Piece(number_text(value) + ("%" if share else ""), at, share.end() if share else match.end())

    def _word(self, at: int, end: int) -> Piece | None:
        match = _WORD.match(self.text, at, end)
        if match is None:
            return None
        written = match.group()
        lower = written.lower() if len(written.lower()) == len(written) else written
        inside_name = (
            self.text[match.end() : match.end() + 1] in ("_", ".") and self.text[match.end() + 1 :][:1].strip()
        )
        read = None if inside_name or self.text[max(0, at - 1) : at] in ("_", ".") else corrected(lower)
        if read:
            self.spelling.append((written, read))
        return Piece(read or lower, at, match.end())

    def _find_soft(self) -> list[tuple[int, int]]:
        spans = []
        for match in _SOFT.finditer(self.full):
            first, last = self.clause(match.start())
            alone = not self.full[match.end() : last].strip(" ,") and not self.full[first : match.start()].strip(" ,")
            if alone:
                last = self.clause(min(last + 1, len(self.full)))[1]
            trailing = not self.full[match.end() : last].strip(" ,")
            spans.append((first if trailing else match.start(), last))
        return spans

    def clause(self, at: int) -> tuple[int, int]:
        """The span of the clause around `at`: between commas, full stops and `but`."""
        first, last = 0, len(self.full)
        for match in _CLAUSE_END.finditer(self.full):
            if match.end() <= at:
                first = match.end()
            elif match.start() >= at:
                last = match.start()
                break
        return first, last

    def sentence(self, at: int) -> str:
        """The normal form of the sentence around `at`, taken or not."""
        first = max((match.end() for match in _SENTENCE_END.finditer(self.full, 0, at)), default=0)
        end = _SENTENCE_END.search(self.full, at)
        return self.full[first : end.start() if end else len(self.full)]

    def before_in_clause(self, at: int) -> str:
        """The normal form of the clause around `at`, up to `at`, taken or not."""
        return self.full[self.clause(at)[0] : at]

    def is_soft(self, at: int) -> bool:
        """Whether the wish at `at` is worded as a hope (ideally, if possible)."""
        return any(first <= at < last for first, last in self.soft_spans)

    def find(self, pattern: str, negated: bool = False) -> Iterator[re.Match[str]]:
        """Matches of `pattern` among what is not taken yet, left to right.

        A match right after a negation (`without Parquet`) is passed over, unless `negated` says that the pattern reads
        its own negations; what no rule reads then ends among the not understood.
        """
        at = 0
        while match := _compiled(pattern).search(self.norm, at):
            at = max(match.end(), match.start() + 1)
            if negated or not _NEGATED.search(self.norm, 0, match.start()):
                yield match

    def match_at(self, pattern: str, at: int) -> re.Match[str] | None:
        """The match of `pattern` that begins at `at`, or None."""
        return _compiled(pattern).match(self.norm, at)

    def take(self, match: re.Match[str], counts: bool = True) -> str:
        """Use up a match; the person's own words for it. `counts` says that a wish was understood by it."""
        return self.take_span(match.start(), match.end(), counts)

    def take_span(self, start: int, end: int, counts: bool = True) -> str:
        """Use up a span of the normal form; the person's own words for it."""
        if counts:
            self.understood += len(re.findall(r"[\w%]+", self.full[start:end]))
        self.norm = self.norm[:start] + BLANK * (end - start) + self.norm[end:]
        return self.original(start, end)

    def original(self, start: int, end: int) -> str:
        """The person's own words for a span of the normal form."""
        if start >= end:
            return ""
        return self.text[self._start[start] : self._end[end - 1]].strip()

    def field(self, match: re.Match[str], group: str = "field") -> str:
        """The field name in a match, in the person's own spelling and case, without quotes."""
        return self.original(*match.span(group)).strip("`'\"")

    def path(self, token: str) -> str:
        """The path that stands behind the token `‹0›`."""
        return self.paths[int(token.strip("‹›"))]
