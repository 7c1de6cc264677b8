"""Which texts hold a character that a repair looks for, or what may be HTML: one pass over the bytes of a column.

What is missed here cannot be there; what is found here, the repairs judge. `ops.faults` makes the tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels.characters import I64, U8, U16, U64

CONTROL, LOST, INVISIBLE, COMPOSES, MOJIBAKE, TAG, ENTITY = (1 << bit for bit in range(7))
"""A control character; U+FFFD; an invisible character; one that normalisation may change; a pair of characters as
mojibake has them; a tag or comment of HTML; a character entity."""
FIRST, SECOND = 8, 12
"""From these bits on: the pairs of mojibake whose first, and whose second character this may be."""
_PLANE_14, _TAGS_END = 0xE0000, 0xE0080
_NAME_BYTES, _ENTITY_BYTES = 8, 40


@njit(cache=True, nogil=True)
def _alnum(byte: Any) -> bool:
    return bool(48 <= byte <= 57 or 65 <= (byte & 0xDF) <= 90)


@njit(cache=True, nogil=True)
def _is_tag(data: U8, at: int, end: int, names: U64) -> bool:
    """Whether a known tag, a comment or a declaration may begin behind the `<` before `at`."""
    if at < end and data[at] == 33:
        return True
    if at < end and data[at] == 47:
        at += 1
    size = 0
    name = np.uint64(0)
    while at < end and _alnum(data[at]):
        if size < _NAME_BYTES:
            name = (name << np.uint64(8)) | np.uint64(data[at] | 0x20)
        size += 1
        at += 1
    if not size or at >= end or not (data[at] <= 32 or data[at] > 127 or data[at] in (47, 62)):
        return False
    for index in range(names.size):  # noqa: SIM110 - numba has no generators
        if name == names[index]:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_entity(data: U8, at: int, end: int) -> bool:
    """Whether a semicolon ends the letters and digits from `at` on."""
    most = min(end, at + _ENTITY_BYTES)
    start = at
    while at < most and (_alnum(data[at]) or data[at] == 35 or data[at] > 127):
        at += 1
    return start < at < end and data[at] == 59


@njit(cache=True, nogil=True)
def faults(data: U8, offsets: I64, table: U16, names: U64, out: U8) -> None:
    """Fill `out` with the bits of each of n texts.

    Args:
        data: Their UTF-8 bytes.
        offsets: n + 1 bounds.
        table: Per code point the bits above but the last three, and those of `FIRST` and `SECOND`.
        names: The first eight bytes of each tag's name, in lower case, as a big-endian number.
        out: n bytes.
    """
    for row in range(offsets.size - 1):
        at, end = offsets[row], offsets[row + 1]
        bits = np.uint16(0)
        firsts = np.uint16(0)
        while at < end:
            byte = data[at]
            if byte < 128:
                bits |= table[byte]
                firsts = np.uint16(0)
                if byte == 60:
                    if not bits & TAG and _is_tag(data, at + 1, end, names):
                        bits |= np.uint16(TAG)
                elif byte == 38 and not bits & ENTITY and _is_entity(data, at + 1, end):
                    bits |= np.uint16(ENTITY)
                at += 1
                continue
            size = 2 if byte < 0xE0 else (3 if byte < 0xF0 else 4)
            code = np.int64(byte) & (0x3F >> (size - 1))
            for more in range(1, size):
                code = (code << 6) | (np.int64(data[at + more]) & 0x3F)
            at += size
            here = table[code] if code < table.size else np.uint16(0)
            if _PLANE_14 <= code < _TAGS_END:
                here = np.uint16(INVISIBLE)
            if firsts & (here >> SECOND):
                bits |= np.uint16(MOJIBAKE)
            firsts = (here >> FIRST) & np.uint16(15)
            bits |= here & np.uint16(0xFF)
        out[row] = bits & np.uint16(0xFF)
