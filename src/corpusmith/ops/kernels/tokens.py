"""The tokenizer: words peeled of punctuation, as a loop over UTF-8 bytes.

Rules, close to what spaCy does for text with spaces: white space separates; a punctuation mark at the edge of a word
is a token of its own, runs of dots or hyphens are one; inside a word punctuation joins (`e.g`, `3.14`, `a@b.org`,
`don't` but not `it's`, which is `it` + `'s`), except a hyphen between letters and a slash, colon or comma before a
letter, which split. In scripts without spaces each character is a token, with the marks that follow it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels.characters import (
    I32,
    I64,
    LETTER,
    LIMIT,
    LOWER,
    MARK,
    NUMBER,
    PEEL,
    SINGLE,
    SPACE,
    U8,
    U16,
    U64,
)

WORD = LETTER | NUMBER | MARK
FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
IS_WORD, HAS_LETTER = 1, 2
"""Token flags: holds a letter, number or mark; holds a letter."""


@njit(cache=True, inline="always")
def decode(data: U8, at: int) -> tuple[Any, int]:
    """The code point at byte `at` of valid UTF-8, and its length in bytes."""
    first = np.uint32(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return ((first & np.uint32(0x1F)) << np.uint32(6)) | (np.uint32(data[at + 1]) & np.uint32(0x3F)), 2
    second = np.uint32(data[at + 1]) & np.uint32(0x3F)
    third = np.uint32(data[at + 2]) & np.uint32(0x3F)
    if first < 0xF0:
        return ((first & np.uint32(0x0F)) << np.uint32(12)) | (second << np.uint32(6)) | third, 3
    fourth = np.uint32(data[at + 3]) & np.uint32(0x3F)
    head = (first & np.uint32(0x07)) << np.uint32(18)
    return head | (second << np.uint32(12)) | (third << np.uint32(6)) | fourth, 4


@njit(cache=True, inline="always")
def class_of(table: U16, code: Any) -> Any:
    """The bits of a code point."""
    if code < LIMIT:
        return np.int64(table[code])
    return np.int64(LETTER | SINGLE) if code < 0x40000 else np.int64(0)


@njit(cache=True)
def _joins(data: U8, at: int, end: int, code: Any, before: Any, after: Any) -> bool:
    """Whether punctuation between the word characters of classes `before` and `after` stays inside the word."""
    if code == 0x2E:  # '.': `end.Next` is a missing space
        return not (before & LOWER and after & LETTER and not after & LOWER)
    if code == 0x2C:  # ','
        return bool(before & NUMBER) and bool(after & NUMBER)
    if code in (0x3A, 0x3D, 0x3C, 0x3E, 0x2F):  # ':' '=' '<' '>' '/'
        return not after & LETTER
    if code == 0x2D:  # '-'
        return not (before & LETTER and after & LETTER)
    if code in (0x27, 0x2019):  # apostrophe: 's 't 'd 'm 're 've 'll end a word
        here = at + (1 if code == 0x27 else 3)
        stop = here
        while stop < end and 0x61 <= (data[stop] | 0x20) <= 0x7A:
            stop += 1
        if stop < end and data[stop] >= 0x80:
            return True
        first = data[here] | 0x20
        if stop - here == 1:
            return first not in (0x73, 0x64, 0x6D)
        if stop - here == 2:
            second = data[here + 1] | 0x20
            pair = first in (0x72, 0x76) and second == 0x65
            return not (pair or (first == 0x6C and second == 0x6C))
        return True
    return bool(code < 0x2010 or code > 0x2014)  # dashes never join


@njit(cache=True)
def tokenize(data: U8, start: int, end: int, table: U16, hashes: U64, chars: I32, flags: U8, spans: I64) -> int:  # noqa: PLR0912, PLR0915 - one loop with one state
    """Write the tokens of bytes [start, end) and return their number.

    Args:
        data: uint8 UTF-8.
        start: First byte.
        end: One past the last.
        table: `character_table()`.
        hashes: uint64, out: FNV-1a of the token's bytes.
        chars: int32, out: code points.
        flags: uint8, out: IS_WORD, HAS_LETTER.
        spans: int64 (n, 2), out: first byte and one past the last.
    """
    count = -1
    at = start
    before = SPACE  # class of the character before
    alone = False  # whether that character was a token of its own
    last = np.uint32(0)
    while at < end:
        code, size = decode(data, at)
        bits = class_of(table, code)
        if bits & SPACE:
            before, alone, last = SPACE, False, code
            at += size
            continue
        fresh = bool(before & SPACE) or alone
        single = False
        if bits & SINGLE:
            fresh, single = True, True
        elif bits & MARK:
            fresh = bool(before & SPACE)
            single = alone and not fresh
        elif bits & WORD:
            pass
        else:
            joined = False
            if not fresh and before & WORD and at + size < end:
                next_code, _ = decode(data, at + size)
                after = class_of(table, next_code)
                if after & WORD and not after & SINGLE:
                    splits = code in (0x2D, 0x2F)
                    if bits & PEEL or splits or 0x2010 <= code <= 0x2014:
                        joined = _joins(data, at, end, code, before, after)
                        # an apostrophe starts the next token rather than standing alone
                        if not joined and code in (0x27, 0x2019):
                            fresh, joined = True, True
                        elif not joined:
                            fresh, single = True, True
                    else:
                        joined = True
            if not joined and bits & PEEL:
                fresh, single = True, True
            if single and alone and code == last and code in (0x2E, 0x2D):
                fresh = False  # a run of dots or hyphens is one token
        if fresh:
            count += 1
            hashes[count] = FNV_OFFSET
            chars[count] = 0
            flags[count] = 0
            spans[count, 0] = at
        value = hashes[count]
        for byte in range(at, at + size):
            value = (value ^ np.uint64(data[byte])) * FNV_PRIME
        hashes[count] = value
        chars[count] += 1
        if bits & WORD:
            flags[count] |= (IS_WORD | HAS_LETTER) if bits & LETTER else IS_WORD
        at += size
        spans[count, 1] = at
        before, alone, last = bits, single, code
    return count + 1
