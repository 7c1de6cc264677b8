"""Exact match and numeric match: is an answer the reference, give or take how it is written.

`normalise` is that of SQuAD (Rajpurkar et al. 2016, `evaluate-v1.1.py`): lower case, no punctuation, no articles,
single spaces. It departs from it where different answers would become equal: the sign and the decimal point of a number
stay (`-1.5` is not `15`), and a step that would leave nothing is not taken (`A` is an answer, not an article).
Punctuation is that of Unicode, and text is composed (NFC) first.

Numbers are read as GSM8K has them (Cobbe et al. 2021): what follows the first `####`, else the last number of the text.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MARK = "####"
LARGEST = 1e100
"""A number beyond it is noise (a model that repeats a digit) and counts as none: its square would not be finite."""

_ASCII_SYMBOLS = "$+<=>^`|~"  # what string.punctuation, and so SQuAD, has besides Unicode's P
_ARTICLES = re.compile(r"(?<!\S)(?:a|an|the)(?!\S)")
_NUMBER = re.compile(
    r"(?<!\w)(?<!\d\.)"
    r"(?P<sign>(?:(?<!\))-)?(?:[$€£¥]-?)?)"
    r"(?P<size>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<power>(?:[eE][-+]?\d{1,3}(?!\w))?)"
)


@cache
def _dropped() -> re.Pattern[str]:
    """Punctuation that is no part of a number; formed when it is first needed, for it looks at all of Unicode."""
    marks = map(chr, range(sys.maxunicode + 1))
    punctuation = "".join(re.escape(mark) for mark in marks if unicodedata.category(mark).startswith("P"))
    return re.compile(
        r"(?!(?<=\d)\.\d)"  # a decimal point
        r"(?!(?<![\w.)])-[$€£¥]?\.?\d)"  # a sign
        r"(?!(?<![\w.])\.\d)"  # a decimal point with nothing before it
        rf"[{punctuation}{re.escape(_ASCII_SYMBOLS)}]"
    )


def words(text: str, *, lower: bool = True) -> str:
    """The words of a text between single spaces, without case (unless `lower` is False) and punctuation."""
    plain = _plain(text)
    plain = plain.lower() if lower else plain
    return " ".join(_dropped().sub("", plain).split()) or " ".join(plain.split())


def normalise(text: str) -> str:
    """An answer as exact match compares it: its `words` without articles."""
    kept = words(text)
    return " ".join(_ARTICLES.sub(" ", kept).split()) or kept


def exact_matches(references: Sequence[str], answers: Sequence[str]) -> Floats:
    """float64[n]: 1 where an answer equals its reference after `normalise`, else 0."""
    pairs = zip(references, answers, strict=True)
    return np.array([normalise(reference) == normalise(answer) for reference, answer in pairs], dtype=np.float64)


def numeric_answer(text: str) -> float | None:
    """The number a text answers with.

    The first number after the first `####`; without that mark, or a number after it, the last number of the text.
    Thousands' commas and currency signs are left out, `12 %` is 12, and digits inside a word (`H2O`) are no number.

    Returns:
        The number; None when there is none, or it is beyond 1e100.
    """
    plain = _plain(text)
    _, _, marked = plain.partition(MARK)
    found = _NUMBER.search(marked)
    if found is None:
        for found in _NUMBER.finditer(plain):  # noqa: B007 - the last one is wanted
            pass
    return None if found is None else _read(found)


def numeric_matches(references: Sequence[str], answers: Sequence[str]) -> Floats:
    """float64[n]: 1 where the number of an answer is that of its reference, else 0, so also where it has none.

    A reference without a number cannot be graded: its row is NaN, and so is every metric over it. Ask
    `tasks.have_numbers` first.
    """
    pairs = zip(references, answers, strict=True)
    return np.array([_match(numeric_answer(ref), numeric_answer(answer)) for ref, answer in pairs], dtype=np.float64)


def _match(reference: float | None, answer: float | None) -> float:
    if reference is None:
        return math.nan
    return float(answer is not None and math.isclose(reference, answer, rel_tol=1e-9, abs_tol=1e-12))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\N{MINUS SIGN}", "-")


def _read(found: re.Match[str]) -> float | None:
    size = float(found["size"].replace(",", "") + found["power"])
    if size > LARGEST:
        return None
    return -size if "-" in found["sign"] else size
