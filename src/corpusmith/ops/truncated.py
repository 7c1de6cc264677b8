"""Texts that were cut off in the middle.

Told from the end alone, and only where the rest is prose: its lines end as sentences do, or its last paragraph holds
whole sentences before its end. Lists, tables, code, headings, signatures and captions end without a mark and are
whole. Then one of these must hold of the end: a function word or a comma that wants more (certain), a teaser such as
"[…]" or "Read more…" (certain), a last line or paragraph of some length that ends in a word without a mark (likely),
or a shorter line that reads as the start of a sentence below paragraphs that all end as sentences do (likely).
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import TEXT
from corpusmith.ops.signals import signal

CERTAIN, LIKELY = 1.0, 0.8
MIN_WORDS, MIN_PUNCT_FRAC = 25, 0.5
MIN_LINE_CHARS, MIN_START_CHARS, MIN_RUN_WORDS = 60, 45, 8
"""Least length of a line, which could be a heading, and of what follows a sentence, which could not."""
WANTING_WORDS = 6
"""Words from which on a line may not end in a verb or preposition that sometimes ends a heading."""
START_WORDS, MIN_PARAGRAPH_WORDS = 4, 8
"""Fewest words of a sentence's start, and mean words of the paragraphs above it, for a short end to count."""

_TEASER = re.compile(
    r"(?:\[\s*(?:…|\.\.\.)\s*\]|(?:read|show|see) more\s*(?:…|\.\.\.)?|continue reading\W*)$", re.IGNORECASE
)
_DANGLING = re.compile(
    r"(?:[,(–—]|\b(?:the|a|an|of|and|or|to|for|with|that|which|because|from|by|as|at|into|than|if|when|"
    r"our|my|your|their|its|whether|between|during|while|upon|via|every|whose|among|until|unless|although|onto|"
    r"und|oder|der|die|das|mit|für|von|dass|et|ou|le|la|les|des|de|du|que|pour|avec|el|los|las|y|con|para|por|"
    r"il|che|per|di|e|do|da|os|em|w|na|że|и|в|на|что|с))$"
)
_WANTING = re.compile(
    r"\b(?:is|are|was|were|be|been|will|would|shall|should|may|might|must|can|cannot|has|have|had|this|these|those|"
    r"each|such|some|any|no|not|very|more|most|who|where|through|under|within|without|about|against|since|but)$"
)
_KEY = re.compile(r"^\w[\w ]{0,20}:")
_STRUCTURE = re.compile(r"^\s*(?:[-*•#>|+]|\d+[.)]\s|```|=)|https?://|^\s{4,}|;$")
_CODE = re.compile(r"[|{}=;&$<>\[\]\\]")
_ADDRESS = re.compile(r"\S[.@/]\S+$")
_SENTENCE = re.compile(r"[^\W\d_A-Z]{3}[)\]]?[.!?][\"'”’)]*\s+[^\W\d_a-z]|[。！？।]")
_ENDS = re.compile(r"[.!?…。！？؟।:;][\"'”’»)\]*_`]*$|[\"'”’»)\]}>*_`|]$|[.!?][\"”’)]*\s+\[?\d{1,3}$")
"""The last: the number of a note behind the sentence's mark."""
_START = re.compile(r"\b(?:the|a|an|of|to|is|are|was|it|this|that|these|they|we|you|be|can|will|not|have|has)\b")
_CLOSING_LINE = re.compile(
    r"^(?:read|learn|see|click|find|follow|subscribe|share|photos?|images?|pictures?|posted|published|written|by|from|"
    r"more|about|join|sign|download|visit|check|contact|originally|sources?|filed|tags?|this (?:article|post|story|"
    r"entry)|translated|courtesy|thanks?|thank you|yours|regards|best|cheers|figure|fig|table|next|previous|back|"
    r"copyright|all rights|related|get|buy|order|call|email|the end)\b",
    re.IGNORECASE,
)


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
    if words < MIN_WORDS or _ENDS.search(last) or _is_structure(last) or _ADDRESS.search(last):
        return 0.0
    sentences = _SENTENCE.split(block)
    lines = punct_frac >= MIN_PUNCT_FRAC
    if not lines and len(sentences) == 1:
        return 0.0
    if _DANGLING.search(last) or (last.count(" ") + 1 >= WANTING_WORDS and _WANTING.search(last)):
        return CERTAIN
    if not last[-1].isalnum() or last.isupper():
        return 0.0
    long_enough = (
        (lines and _is_long(last, MIN_LINE_CHARS))
        or (len(sentences) > 2 and _is_long(block, MIN_LINE_CHARS))
        or (len(sentences) == 2 and _is_long(sentences[1], MIN_START_CHARS))
    )
    return LIKELY if long_enough or _is_start(text, last) else 0.0


def _is_long(run: str, chars: int) -> bool:
    return len(run) >= chars and run.count(" ") + 1 >= MIN_RUN_WORDS


def _is_structure(line: str) -> bool:
    """Whether the line is of a list, a table, code or `Name: value` rather than of a paragraph."""
    if _STRUCTURE.search(line):
        return True
    signs, short = len(_CODE.findall(line[-120:])), line.count(" ") < 11
    return signs > 2 or (short and (signs > 0 or _KEY.search(line) is not None))


def _is_start(text: str, last: str) -> bool:
    """Whether `last` reads as the start of a sentence, and all lines above it are paragraphs of whole sentences."""
    words = last.split()
    if len(words) < START_WORDS or not words[-1].islower() or _CLOSING_LINE.search(last) or not _START.search(last):
        return False
    if sum(word[0].isupper() for word in words[1:]) * 3 > len(words):
        return False
    above = [line for line in map(str.strip, text.splitlines()) if line][:-1]
    long = sum(line.count(" ") + 1 for line in above) >= MIN_PARAGRAPH_WORDS * len(above)
    return bool(above) and long and all(_ENDS.search(line) for line in above)


def truncation(batch: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How surely each row of a batch with signals was cut off."""
    words, punct = signal(batch, "n_words"), signal(batch, "line_punct_frac")
    texts = batch.column(TEXT).to_pylist()
    return np.array(
        [cut_off(text or "", int(n), float(p)) for text, n, p in zip(texts, words, punct, strict=True)], float
    )
