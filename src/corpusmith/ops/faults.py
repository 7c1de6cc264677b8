"""Which rows a repair may change: the others, nearly all, never become Python strings.

The tables are drawn from the very patterns that the repairs of `damage` and `markup` ask.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.ops import damage, markup
from corpusmith.ops.kernels.characters import U16, U64
from corpusmith.ops.kernels.faults import (
    COMPOSES,
    CONTROL,
    ENTITY,
    FIRST,
    INVISIBLE,
    LOST,
    MOJIBAKE,
    SECOND,
    TAG,
    faults,
)
from corpusmith.ops.kernels.words import utf8_buffers

ENCODING = CONTROL | LOST | INVISIBLE | COMPOSES | MOJIBAKE
"""What `damage` repairs."""
HTML = TAG | ENTITY
"""What `markup` takes out."""
_LIMIT = 0x30000
"""Code points from here on never change in normal form C; the tags of plane 14 the kernel knows."""
_MAY_CHANGE = (range(0x80, 0x3400), range(0xA000, 0xAC00), range(0xD7A4, _LIMIT))
"""All below it but ideographs and Hangul syllables, which never change either."""


def rows_with(column: pa.Array | pa.ChunkedArray, bits: int) -> npt.NDArray[np.int64]:
    """The rows of a string column that may have one of the faults `bits`, in order."""
    data, offsets = utf8_buffers(column)
    out = np.zeros(offsets.size - 1, np.uint8)
    faults(data, offsets, *_tables(), out)
    return np.flatnonzero(out & bits)


@lru_cache(maxsize=1)
def _tables() -> tuple[U16, U64]:
    """Bits per code point, and the names of tags, as `kernels.faults.faults` takes them."""
    every = "".join(map(chr, range(_LIMIT)))
    table = np.zeros(_LIMIT, np.uint16)

    def add(bit: int, pattern: str) -> None:
        places = [match.start() for match in re.finditer(pattern, every)]
        table[places] |= bit

    add(CONTROL, damage.CONTROLS)
    add(MOJIBAKE, damage.C1_CONTROLS)
    add(LOST, damage.FFFD)
    add(INVISIBLE, damage.INVISIBLES)
    add(COMPOSES, damage.LINE_BREAKS)
    for pair, (first, second) in enumerate(damage.MOJIBAKE_PAIRS):
        add(1 << (FIRST + pair), first)
        add(1 << (SECOND + pair), second)
    table[list(_composing())] |= COMPOSES
    names = {int.from_bytes(name.encode()[:8], "big") for name in markup.NAMES}
    return table, np.array(sorted(names), np.uint64)


def _composing() -> Iterator[int]:
    """Code points without which a text is in normal form C (UAX #15, quick check).

    They are changed by it, compose with what is before them, or have a combining class, which orders them.
    """
    for codes in _MAY_CHANGE:
        for code in codes:
            char = chr(code)
            if unicodedata.combining(char) or unicodedata.normalize("NFC", char) != char:
                yield code
            parts = unicodedata.decomposition(char).split()
            if len(parts) > 1 and not parts[0].startswith("<"):
                yield from (int(part, 16) for part in parts[1:])
    yield from range(0x1161, 0x1176)  # vowels and finals of Hangul, whose syllables have no decomposition on record
    yield from range(0x11A8, 0x11C3)
