"""What each Unicode character is, as bits in one table that kernels index by code point.

Built once a process from `unicodedata` (about 30 ms). Scripts written without spaces (Han, kana, Thai, Lao, Khmer,
Burmese, Tibetan) carry SINGLE: there every character counts as a word token, since no rule finds the words.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

LETTER, NUMBER, MARK, SPACE, SINGLE, PEEL, TERMINAL, LOWER, CLOSER = (1 << bit for bit in range(9))
"""PEEL: punctuation that is a token of its own at a word's edge. CLOSER: quotes and brackets that may follow a
sentence's last mark."""
LIMIT = 0x20000
"""Code points from here on are not in the table: ideographs up to 0x3FFFF, else characters of no class."""

_PEELED = frozenset(".,:;!?¿¡()[]{}<>_#*&%$=§\"'`´") | frozenset(
    "…‥—–„“”‘’‚«»‹›؟،؛۔٪।॥。？！，、；：～·「」『』（）【】《》〈〉〔〕％"
)
_TERMINAL = frozenset(".!?…。．！？؟۔।॥።։៕။‼⁇⁈⁉‽｡")
_CLOSERS = frozenset("\"'")
_SPACELESS = (
    (0x0E00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3041, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
    (0x1B000, 0x1B16F),
)


def _bits(char: str) -> int:
    category = unicodedata.category(char)
    bits = {"L": LETTER, "N": NUMBER, "M": MARK}.get(category[0], 0)
    if char.isspace():
        bits |= SPACE
    if category == "Ll":
        bits |= LOWER
    if category in {"So", "Sc"} or char in _PEELED:
        bits |= PEEL
    if char in _TERMINAL:
        bits |= TERMINAL
    if category in {"Pe", "Pf"} or char in _CLOSERS:
        bits |= CLOSER
    return bits


@lru_cache(maxsize=1)
def character_table() -> npt.NDArray[np.uint16]:
    """The bits of code points 0 … LIMIT-1."""
    table = np.fromiter((_bits(chr(code)) for code in range(LIMIT)), np.uint16, LIMIT)
    for low, high in _SPACELESS:
        block = table[low : high + 1]
        block[(block & LETTER) > 0] |= SINGLE
    return table
