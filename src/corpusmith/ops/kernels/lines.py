"""Lines, paragraphs and sentences of one document: what Gopher, C4 and FineWeb ask of lines, in one loop over bytes.

A line ends at a line feed; lines of white space only separate paragraphs and count as nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels.characters import CLOSER, I32, I64, LETTER, LOWER, SINGLE, SPACE, TERMINAL, U8, U16, U64
from corpusmith.ops.kernels.tokens import FNV_OFFSET, FNV_PRIME, class_of, decode

(CHARS, NEWLINES, LINES, PARAGRAPHS, SENTENCES, SINGLES, HASHES, ELLIPSES, BULLETS, ELLIPSIS_LINES, PUNCT_LINES,
 SHORT_LINES, C4_SENTENCES, CURLY, LOREM, JAVASCRIPT_LINES, POLICY_LINES) = range(17)  # fmt: skip
COUNTS = 17
SHORT_LINE_CHARS, C4_LINE_WORDS, C4_WORD_CHARS = 30, 3, 1000

_PHRASES = ("javascript", "lorem ipsum", "terms of use", "privacy policy", "cookie policy", "uses cookies",
            "use of cookies", "use cookies")  # fmt: skip
_BYTES = np.frombuffer("".join(_PHRASES).encode(), np.uint8).copy()
_STARTS = np.cumsum([0, *map(len, _PHRASES)]).astype(np.int64)


@njit(cache=True)
def _phrase_at(data: U8, at: int, end: int) -> int:
    """The index of the phrase that stands at byte `at`, in any case, or -1."""
    for index in range(_STARTS.size - 1):
        low, size = _STARTS[index], _STARTS[index + 1] - _STARTS[index]
        if at + size > end or (data[at] | 0x20) != _BYTES[low]:
            continue
        here = 1
        while here < size and (data[at + here] | 0x20) == (_BYTES[low + here] | 0x20):
            here += 1
        if here == size:
            return index
    return -1


@njit(cache=True)
def _bullet(code: Any) -> bool:
    """Whether a line that begins so is an item of a list."""
    return code in (0x2022, 0x2D, 0x2A, 0x2023, 0x25E6, 0x25AA, 0x25CF, 0x2013, 0xB7, 0x2043)


@njit(cache=True)
def scan_lines(  # noqa: PLR0912, PLR0915 - one loop with one state
    data: U8,
    start: int,
    end: int,
    table: U16,
    counts: I64,
    line_hashes: U64,
    line_chars: I32,
    para_hashes: U64,
    para_chars: I32,
) -> None:
    """Count over bytes [start, end).

    Args:
        data: uint8 UTF-8.
        start: First byte.
        end: One past the last.
        table: `character_table()`.
        counts: int64 (COUNTS,), zeroed, out.
        line_hashes: uint64, out: one per non-blank line.
        line_chars: int32, out: its code points.
        para_hashes: uint64, out: one per paragraph.
        para_chars: int32, out.
    """
    at, breaks = start, 0
    in_paragraph = False
    while at < end:
        hash_, size = FNV_OFFSET, 0
        first = last = second_last = third_last = np.uint32(0)
        sealed = False  # the line's last mark, closers aside, ends a sentence
        waiting = 0  # 1 = a mark stands open, 2 = and white space followed it
        sentences, words, letters, word_chars, longest = 0, 0, 0, 0, 0
        javascript = policy = False
        before = SPACE
        while at < end:
            code, width = decode(data, at)
            if code == 0x0A:
                break
            bits = class_of(table, code)
            for byte in range(at, at + width):
                hash_ = (hash_ ^ np.uint64(data[byte])) * FNV_PRIME
            size += 1
            if bits & SPACE:
                if waiting == 1:
                    waiting = 2
                longest = max(longest, word_chars)
                word_chars = 0
            else:
                if word_chars == 0:
                    words += 1
                word_chars += 1
                if first == 0:
                    first = code
                third_last, second_last, last = second_last, last, code
                if waiting == 2:
                    waiting = 0
                    sentences += 0 if bits & LOWER else 1
                if bits & TERMINAL:
                    sealed = True
                    if code > 0x2E80 or code == 0x0964:
                        sentences += 1
                        waiting = 0
                    elif not (code == 0x2E and letters == 1 and before & LETTER and not before & LOWER):
                        waiting = 1
                elif not bits & CLOSER:
                    sealed = False
                    waiting = 0
                if bits & LETTER:
                    if not before & LETTER and (code | 0x20) in (0x6A, 0x6C, 0x74, 0x70, 0x63, 0x75):
                        phrase = _phrase_at(data, at, end)
                        if phrase == 0:
                            javascript = True
                        elif phrase == 1:
                            counts[LOREM] = 1
                        elif phrase > 1:
                            policy = True
                    letters += 1
                    if bits & SINGLE:
                        counts[SINGLES] += 1
                elif code == 0x23:
                    counts[HASHES] += 1
                elif code == 0x2026 or (code == 0x2E and second_last == 0x2E and third_last == 0x2E):
                    counts[ELLIPSES] += 1
                    third_last = second_last = np.uint32(0)
                elif code == 0x7B:
                    counts[CURLY] += 1
            if not bits & LETTER:
                letters = 0
            before = bits
            at += width
        longest = max(longest, word_chars)
        counts[CHARS] += size
        if at < end:
            counts[NEWLINES] += 1
            counts[CHARS] += 1
            at += 1
        if first == 0:
            in_paragraph = False
            breaks += 1
            continue
        if waiting > 0:
            sentences += 1
        index = counts[LINES]
        line_hashes[index], line_chars[index] = hash_, size
        counts[LINES] = index + 1
        counts[SENTENCES] += sentences
        counts[BULLETS] += _bullet(first)
        dots = last == 0x2026 or (last == 0x2E and data_dots(data, start, at))
        counts[ELLIPSIS_LINES] += dots
        counts[PUNCT_LINES] += sealed
        counts[SHORT_LINES] += size <= SHORT_LINE_CHARS
        counts[JAVASCRIPT_LINES] += javascript
        counts[POLICY_LINES] += policy
        ended = sealed or last in (0x22, 0x27, 0x201D, 0x2019)
        if ended and not dots and words >= C4_LINE_WORDS and longest <= C4_WORD_CHARS and not javascript and not policy:
            counts[C4_SENTENCES] += max(1, sentences)
        place = counts[PARAGRAPHS] - 1
        if not in_paragraph:
            place += 1
            counts[PARAGRAPHS] = place + 1
            para_hashes[place], para_chars[place] = FNV_OFFSET, 0
            in_paragraph = True
        else:
            para_chars[place] += 1
        para_hashes[place] = (para_hashes[place] ^ hash_) * FNV_PRIME
        para_chars[place] += size


@njit(cache=True)
def data_dots(data: U8, start: int, at: int) -> bool:
    """Whether the last characters before byte `at`, ASCII white space aside, are three dots."""
    at -= 1
    while at > start and data[at] <= 0x20:
        at -= 1
    return at - 2 >= start and data[at] == 0x2E and data[at - 1] == 0x2E and data[at - 2] == 0x2E
