"""Texts that were cut off in the middle.

Told from the end alone, and only where the rest of the text is prose whose paragraphs end as sentences do: lists,
tables, code, headings, signatures and captions end without a mark and are whole. One of these must hold of the end:
a function word or a comma that wants more (certain), a long last line of words without a mark (likely), an ellipsis
glued on by a teaser ("[…]", "Read more…").
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import TEXT
from corpusmith.ops.signals import signal

CERTAIN, LIKELY = 1.0, 0.8
MIN_WORDS, MIN_PUNCT_FRAC, MIN_LAST_LINE_CHARS = 25, 0.5, 60

_TEASER = re.compile(
    r"(?:\[\s*(?:…|\.\.\.)\s*\]|(?:read|show|see) more\s*(?:…|\.\.\.)?|continue reading\W*)$", re.IGNORECASE
)
_DANGLING = re.compile(
    r"(?:[,(–—]|\b(?:the|a|an|of|and|or|to|for|with|that|which|because|from|by|as|at|into|than|if|when|"
    r"und|oder|der|die|das|mit|für|von|dass|et|ou|le|la|les|des|de|du|que|pour|avec|el|los|las|y|con|para|por|"
    r"il|che|per|di|e|do|da|os|em|w|na|że|и|в|на|что|с))$"
)
_STRUCTURE = re.compile(r"^\s*(?:[-*•#>|+=]|\d+[.)]\s|```|\|)|[|{};=]|https?://|^\s{4,}|^\w[\w ]{0,20}:")
_ENDS = re.compile(r"[.!?…。！？؟।:;][\"'”’»)\]*_`]*$|[\"'”’»)\]}>*_`|]$")


def cut_off(text: str, words: int, punct_frac: float) -> float:
    """How surely `text` was cut off: 0, LIKELY or CERTAIN.

    Args:
        text: The whole text.
        words: Its number of words.
        punct_frac: Share of its lines that end with a sentence's mark.
    """
    tail = text[-2_000:].rstrip()
    if _TEASER.search(tail[-40:]):
        return CERTAIN if words >= MIN_WORDS else 0.0
    last = tail.rsplit("\n", 1)[-1]
    if words < MIN_WORDS or _ENDS.search(last) or _STRUCTURE.search(last):
        return 0.0
    one_line = "\n" not in text.strip()
    marked = len(re.findall(r"[.!?。！？।](?:\s|$)", tail)) if one_line else 0
    prose = punct_frac >= MIN_PUNCT_FRAC or marked >= 2
    if not prose:
        return 0.0
    if _DANGLING.search(last):
        return CERTAIN
    long_enough = len(last) >= MIN_LAST_LINE_CHARS and last.count(" ") >= 8
    sentence = last.rstrip()[-1].isalnum() and not last.isupper()
    return LIKELY if long_enough and sentence else 0.0


def truncation(batch: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How surely each row of a batch with signals was cut off."""
    words, punct = signal(batch, "n_words"), signal(batch, "line_punct_frac")
    texts = batch.column(TEXT).to_pylist()
    return np.array(
        [cut_off(text or "", int(n), float(p)) for text, n, p in zip(texts, words, punct, strict=True)], float
    )
