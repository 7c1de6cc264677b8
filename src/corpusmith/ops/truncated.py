"""Texts that were cut off in the middle.

Told from the end alone, and only where the rest is prose: its lines end as sentences do, or its last paragraph holds
two whole sentences before its end. Lists, tables, code, headings, signatures and captions end without a mark and are
whole. Then one of these must hold of the end: a function word or a comma that wants more (certain), a teaser such as
"[…]" or "Read more…" (certain), or a last line or paragraph of some length that ends in a word without a mark (likely).
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import TEXT
from corpusmith.ops.signals import signal

CERTAIN, LIKELY = 1.0, 0.8
MIN_WORDS, MIN_PUNCT_FRAC, MIN_RUN_CHARS = 25, 0.5, 60

_TEASER = re.compile(
    r"(?:\[\s*(?:…|\.\.\.)\s*\]|(?:read|show|see) more\s*(?:…|\.\.\.)?|continue reading\W*)$", re.IGNORECASE
)
_DANGLING = re.compile(
    r"(?:[,(–—]|\b(?:the|a|an|of|and|or|to|for|with|that|which|because|from|by|as|at|into|than|if|when|"
    r"und|oder|der|die|das|mit|für|von|dass|et|ou|le|la|les|des|de|du|que|pour|avec|el|los|las|y|con|para|por|"
    r"il|che|per|di|e|do|da|os|em|w|na|że|и|в|на|что|с))$"
)
_STRUCTURE = re.compile(r"^\s*(?:[-*•#>|+=]|\d+[.)]\s|```|\|)|[|{};=]|https?://|^\s{4,}|^\w[\w ]{0,20}:")
_ADDRESS = re.compile(r"\S[.@/]\S+$")
_SENTENCE = re.compile(r"[^\W\d_A-Z]{3}[.!?][\"'”’)]*\s+[^\W\d_a-z]|[。！？।]")
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
    block = tail.rsplit("\n\n", 1)[-1]
    last = block.rsplit("\n", 1)[-1]
    if words < MIN_WORDS or _ENDS.search(last) or _STRUCTURE.search(last) or _ADDRESS.search(last):
        return 0.0
    paragraph = len(_SENTENCE.findall(block)) >= 2
    if not paragraph and punct_frac < MIN_PUNCT_FRAC:
        return 0.0
    if _DANGLING.search(last):
        return CERTAIN
    run = block if paragraph else last
    long_enough = len(run) >= MIN_RUN_CHARS and run.count(" ") >= 8
    return LIKELY if long_enough and last[-1].isalnum() and not last.isupper() else 0.0


def truncation(batch: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How surely each row of a batch with signals was cut off."""
    words, punct = signal(batch, "n_words"), signal(batch, "line_punct_frac")
    texts = batch.column(TEXT).to_pylist()
    return np.array(
        [cut_off(text or "", int(n), float(p)) for text, n, p in zip(texts, words, punct, strict=True)], float
    )
