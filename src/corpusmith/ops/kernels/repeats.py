"""Repetition inside one document: repeated lines and paragraphs, and n-grams of tokens (Rae et al. 2021, table A1).

An (n+1)-gram repeats only where the n-gram at its place repeats, so each length looks only at the places that were
left by the one before: on ordinary prose nearly nothing is left after n = 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels.characters import F64, I32, I64, U64

_MIX = np.uint64(0x9E3779B97F4A7C15)
_BASE = np.uint64(0xD6E8FEB86659FD93)
TOP_SIZES, DUP_SIZES = (2, 3, 4), (5, 6, 7, 8, 9, 10)


@njit(cache=True)
def table_bits(entries: int) -> int:
    """log2 of the size of a hash table for at most `entries` keys."""
    bits = 4
    while (1 << bits) < 2 * entries:
        bits += 1
    return bits


@njit(cache=True, inline="always")
def find_slot(keys: U64, stamps: I64, stamp: int, bits: int, key: Any) -> Any:
    """The slot of `key`, or the free slot where it belongs; a slot is free when its stamp is not `stamp`."""
    mask = np.int64((1 << bits) - 1)
    slot = np.int64((key * _MIX) >> np.uint64(64 - bits))
    while stamps[slot] == stamp and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True)
def repeated(hashes: U64, chars: I32, count: int, keys: U64, stamps: I64, stamp: int) -> tuple[int, int]:
    """How many of the first `count` items stand earlier, and the sum of their characters."""
    bits = table_bits(count)
    items, size = 0, 0
    for at in range(count):
        slot = find_slot(keys, stamps, stamp, bits, hashes[at])
        if stamps[slot] == stamp:
            items += 1
            size += chars[at]
        else:
            stamps[slot] = stamp
            keys[slot] = hashes[at]
    return items, size


@njit(cache=True)
def ngram_chars(
    hashes: U64,
    ends: I64,
    count: int,
    grams: U64,
    places: I32,
    keys: U64,
    stamps: I64,
    tally: I32,
    stamp: int,
    out: F64,
) -> int:
    """Characters in the most frequent repeated 2/3/4-gram and in repeated 5…10-grams, into `out` (9).

    Top n-grams count the spaces between their tokens, duplicate ones do not, and a duplicate jumps past itself.

    Args:
        hashes: uint64, one a token.
        ends: int64, count + 1: characters before token i.
        count: Number of tokens.
        grams: uint64 scratch, count.
        places: int32 scratch, count.
        keys: uint64 hash table, at least 2 ** table_bits(count).
        stamps: int64, as large; slots of this call hold stamps > `stamp`.
        tally: int32, as large.
        stamp: Last stamp used.
        out: float64, out.

    Returns:
        The last stamp used.
    """
    left = max(0, count - 1)
    for at in range(left):
        places[at] = at
        grams[at] = hashes[at]
    for n in range(2, 11):
        kept = 0
        for index in range(left):
            at = places[index]
            if at + n <= count:
                grams[at] = (grams[at] ^ (grams[at] >> np.uint64(29))) * _BASE + hashes[at + n - 1]
                places[kept] = at
                kept += 1
        left = kept
        if left == 0:
            break
        bits = table_bits(left)
        stamp += 1
        for index in range(left):
            key = grams[places[index]]
            slot = find_slot(keys, stamps, stamp, bits, key)
            if stamps[slot] != stamp:
                stamps[slot] = stamp
                keys[slot] = key
                tally[slot] = 0
            tally[slot] += 1
        kept, most, first = 0, 1, -1
        for index in range(left):
            at = places[index]
            times = tally[find_slot(keys, stamps, stamp, bits, grams[at])]
            if times > most:
                most, first = times, at
            if times > 1:
                places[kept] = at
                kept += 1
        left = kept
        if n <= 4:
            out[n - 2] = 0.0 if first < 0 else float(most * (ends[first + n] - ends[first] + n - 1))
        else:
            stamp += 1
            out[n - 2] = _jumping(grams, places, left, ends, n, keys, stamps, stamp, bits)
    return stamp


@njit(cache=True)
def _jumping(
    grams: U64, places: I32, left: int, ends: I64, n: int, keys: U64, stamps: I64, stamp: int, bits: int
) -> float:
    """Characters of n-grams seen before, where a repeated n-gram is skipped as a whole."""
    free, size = 0, 0.0
    for index in range(left):
        at = places[index]
        if at < free:
            continue
        slot = find_slot(keys, stamps, stamp, bits, grams[at])
        if stamps[slot] == stamp:
            size += ends[at + n] - ends[at]
            free = at + n
        else:
            stamps[slot] = stamp
            keys[slot] = grams[at]
    return size
