r"""Words of UTF-8 text as 64-bit hashes, for everything that compares texts by their words.

A word is a maximal run of `\w` characters (Unicode letters, numbers, `_`) after simple case folding: one code point to
one, so a final sigma equals a sigma and `İ` equals `i`. Combining marks continue a word but do not start one, as
Unicode's own definition of `\w` has it (UTS #18, annex C) and Python's `re` does not: without them, Hindi or Thai
words that differ in a vowel sign would be one word, while an emoji's variation selector is still no word.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
_LAST = 0x33480
"""Code points from here on are private, unassigned or tags: no word characters."""
_SEED = np.uint64(0x9AE16A3B2F90404F)
_MUL = np.uint64(0x9E3779B97F4A7C15)
_MUL_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_MUL_3 = np.uint64(0xFF51AFD7ED558CCD)
_MUL_4 = np.uint64(0xC4CEB9FE1A85EC53)
_S29 = np.uint64(29)
_S32 = np.uint64(32)
_S33 = np.uint64(33)


@lru_cache(maxsize=1)
def fold_table() -> I32:
    """Per code point: its folded code point where it is a word character, minus that for a mark, 0 for all else."""
    table = np.zeros(_LAST, np.int32)
    for code in range(_LAST):
        char = chr(code)
        if char.isalnum() or char == "_":
            folded = char.casefold()
            if len(folded) != 1:
                folded = char.lower()
            table[code] = ord(folded[0])
        elif unicodedata.category(char)[0] == "M":
            table[code] = -code
    return table


def utf8_buffers(column: pa.Array | pa.ChunkedArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes and the n + 1 offsets of a column of n strings; null counts as empty."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = pc.fill_null(array, "") if array.null_count else array
    array = array if pa.types.is_large_string(array.type) else array.cast(pa.large_string())
    if not len(array):
        return np.zeros(1, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = array.buffers()
    where = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    return np.zeros(1, np.uint8) if data is None or not data.size else np.frombuffer(data, np.uint8), where


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """Bijective finaliser of 64 bits (MurmurHash3's)."""
    value ^= value >> _S33
    value *= _MUL_3
    value ^= value >> _S33
    value *= _MUL_4
    return value ^ (value >> _S33)


@njit(cache=True, nogil=True)
def hash_words(data: U8, start: int, end: int, table: I32, out: U64) -> int:
    """Hash the words of `data[start:end]` into `out` (room for (end - start + 1) // 2 at least); returns how many."""
    count = 0
    inside = False
    value = _SEED
    at = start
    while at < end:
        code = np.int64(data[at])
        at += 1
        if code >= 0x80:
            more = 1 if code < 0xE0 else (2 if code < 0xF0 else 3)
            code &= 0x3F >> more
            while more > 0 and at < end:
                code = (code << 6) | (np.int64(data[at]) & 0x3F)
                at += 1
                more -= 1
        folded = np.int64(table[code]) if code < table.size else np.int64(0)
        if folded > 0 or (folded < 0 and inside):
            if not inside:
                value = _SEED
                inside = True
            value = (value ^ np.uint64(abs(folded))) * _MUL
            value ^= value >> _S32
        elif inside:
            out[count] = value
            count += 1
            inside = False
    if inside:
        out[count] = value
        count += 1
    return count


@njit(cache=True, nogil=True)
def hash_sequence(words: U64, low: int, high: int) -> np.uint64:
    """One hash of the word hashes `words[low:high]`, in order."""
    value = _SEED
    for at in range(low, high):
        value = (value ^ words[at]) * _MUL_2
        value ^= value >> _S29
    return mix(value)


@njit(cache=True, nogil=True)
def words_of_rows(data: U8, offsets: I64, table: I32, out: U64, ends: I64) -> None:
    """Hash the words of every row into `out`, one row after the other; `ends[i]` is where row i ends."""
    count = 0
    for row in range(offsets.size - 1):
        count += hash_words(data, offsets[row], offsets[row + 1], table, out[count:])
        ends[row] = count


@njit(cache=True, nogil=True)
def shingle_rows(
    data: U8, offsets: I64, seeds: U64, table: I32, size: int, words: U64, out: U64, ends: I64, keys: U64
) -> None:
    """Hash the word n-grams of every row into `out`, with repetitions, one row after the other.

    Args:
        data: UTF-8 bytes.
        offsets: n + 1 offsets into `data`.
        seeds: n hashes that keep rows of different seeds from ever being equal.
        table: `fold_table()`.
        size: Words per shingle. A row of fewer words has one shingle of all of them, a row of none has none.
        words: Room for the words of the longest row.
        out: Room for the words of all rows.
        ends: n, filled with where each row's shingles end in `out`.
        keys: (n, 2), filled with 128 bits that name the row's sequence of words; 0, 0 where there is no word.
    """
    total = 0
    for row in range(offsets.size - 1):
        count = hash_words(data, offsets[row], offsets[row + 1], table, words)
        keys[row, 0] = 0
        keys[row, 1] = 0
        if count:
            keys[row, 0] = mix(hash_sequence(words, 0, count) ^ seeds[row])
            second = seeds[row]
            for at in range(count):
                second = (second + words[at]) * _MUL
                second ^= second >> _S32
            keys[row, 1] = mix(second)
        grams = min(count, max(1, count - size + 1))
        for at in range(grams):
            out[total + at] = mix(hash_sequence(words, at, min(count, at + size)) ^ seeds[row])
        total += grams
        ends[row] = total


@njit(cache=True, nogil=True)
def drop_repeats(values: U64, ends: I64) -> int:
    """Move the distinct values of each sorted row to the front of `values`, and `ends` with them; returns the total."""
    total = 0
    start = 0
    for row in range(ends.size):
        first = total
        for at in range(start, ends[row]):
            if total == first or values[at] != values[total - 1]:
                values[total] = values[at]
                total += 1
        start = ends[row]
        ends[row] = total
    return total
