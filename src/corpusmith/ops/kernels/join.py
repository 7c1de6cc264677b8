"""The inner loops of the exact near-duplicate join; `ops.leaders` says why they find every pair.

A row is a *visit* v (0 = visited first) with `sizes[v]` distinct shingles. Its *keys* are those shingles that may occur
in another row too, each with its rarity in the upper bits, so that sorting by value is sorting rare-first.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from corpusmith.ops.kernels.words import I32, I64, U8, U64, mix

F64 = npt.NDArray[np.float64]
BUCKET_SHIFT = np.uint64(60)
_HASH_SHIFT = np.uint64(4)
NEAR, CONTAINED = 1, 2


@njit(cache=True, nogil=True)
def count_shingles(hashes: U64, table: U8, shift: np.uint64) -> None:
    """Add one to the cell of every hash in `table` (a power of two of cells, chosen by the upper bits), up to 255."""
    for at in range(hashes.size):
        cell = hashes[at] >> shift
        if table[cell] < 255:
            table[cell] += 1


@njit(cache=True, nogil=True)
def rarity(count: int) -> np.uint64:
    """Bucket 0..15 of a count of 0..255: two a doubling."""
    if count < 2:
        return np.uint64(0)
    power = 0
    while count >> (power + 1):
        power += 1
    return np.uint64(2 * power - 1 + ((count >> (power - 1)) & 1))


@njit(cache=True, nogil=True)
def rank_keys(hashes: U64, ends: I64, table: U8, shift: np.uint64) -> None:
    """Turn the shingles of a block of rows into keys, in place: what was counted once is in no other row and goes.

    Args:
        hashes: Shingles, one row after the other; becomes the keys.
        ends: Where each row ends in `hashes`; becomes where its keys end.
        table: Counts, by `count_shingles`.
        shift: As given to `count_shingles`.
    """
    total = 0
    start = 0
    for row in range(ends.size):
        for at in range(start, ends[row]):
            value = hashes[at]
            count = table[value >> shift]
            if count > 1:
                hashes[total] = (rarity(count) << BUCKET_SHIFT) | (value >> _HASH_SHIFT)
                total += 1
        start = ends[row]
        ends[row] = total


@njit(cache=True, nogil=True)
def least(share: float, size: int) -> int:
    """Smallest whole overlap that is not certainly under `share * size` (never too large by rounding), at least 1."""
    exact = share * size
    return max(1, math.ceil(exact - 1e-9 - exact * 1e-12))


@njit(cache=True, nogil=True)
def find_slot(slots: U64, key: np.uint64) -> np.int64:
    """Slot of `key` in the open-addressed table `slots` (0 = free): where it stands, or where it would."""
    mask = np.uint64(slots.size - 1)
    at = mix(key) & mask
    while slots[at] != 0 and slots[at] != key:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@njit(cache=True, nogil=True)
def move_slots(old: U64, old_heads: I32, new: U64, new_heads: I32) -> None:
    """Copy a table into an empty larger one."""
    for at in range(old.size):
        if old[at] != 0:
            slot = find_slot(new, old[at])
            new[slot] = old[at]
            new_heads[slot] = old_heads[at]


@njit(cache=True, nogil=True)
def overlap(left: U64, right: U64, need: int) -> int:
    """Number of values in both ascending arrays; -1 as soon as it is sure to stay under `need`."""
    i, j, common = 0, 0, 0
    while i < left.size and j < right.size:
        if common + min(left.size - i, right.size - j) < need:
            return -1
        if left[i] == right[j]:
            common += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return common if common >= need else -1


@njit(cache=True, nogil=True)
def find_candidates(
    visit: int,
    probe: U64,
    size: int,
    least_size: float,
    sizes: I64,
    slots: U64,
    heads: I32,
    posts: I32,
    stamp: I32,
    found: I32,
) -> int:
    """Collect in `found`, ascending, the kept visits indexed under a key of `probe` and of fitting size; returns how
    many. `least_size` is the share of the larger row's size that the smaller one's must reach (0 = any).
    """
    count = 0
    for at in range(probe.size):
        slot = find_slot(slots, probe[at])
        if slots[slot] == 0:
            continue
        post = heads[slot]
        while post >= 0:
            other = posts[post, 0]
            post = posts[post, 1]
            if stamp[other] != visit + 1:
                stamp[other] = visit + 1
                if min(size, sizes[other]) >= least(least_size, max(size, sizes[other])):
                    found[count] = other
                    count += 1
    if count > 1:
        found[:count].sort()
    return count


@njit(cache=True, nogil=True)
def compare(
    mine: U64, theirs: U64, size: int, their_size: int, jaccard: float, containment: float
) -> tuple[int, float]:
    """Rule by which two rows resemble each other (0 = none) and the similarity it measured.

    Args:
        mine: Keys of one row.
        theirs: Keys of the other.
        size: Shingles of the one, those that are no keys included.
        their_size: Shingles of the other.
        jaccard: Threshold.
        containment: Threshold, 0 = not asked.
    """
    both, small = size + their_size, min(size, their_size)
    need = least(jaccard / (1 + jaccard), both)
    if containment > 0:
        need = min(need, least(containment, small))
    common = overlap(mine, theirs, need)
    if common < 0:
        return 0, 0.0
    if common / (both - common) >= jaccard:
        return NEAR, common / (both - common)
    if containment > 0 and common / small >= containment:
        return CONTAINED, common / small
    return 0, 0.0


@njit(cache=True, nogil=True)
def index_keys(visit: int, mine: U64, indexed: int, slots: U64, heads: I32, posts: I32, used: I64) -> None:
    """Enter the first `indexed` keys of a kept visit into the inverted lists."""
    for at in range(indexed):
        slot = find_slot(slots, mine[at])
        if slots[slot] == 0:
            slots[slot] = mine[at]
            heads[slot] = -1
            used[1] += 1
        posts[used[2], 0] = visit
        posts[used[2], 1] = heads[slot]
        heads[slot] = used[2]
        used[2] += 1


@njit(cache=True, nogil=True)
def join_block(
    keys: U64,
    ends: I64,
    low: int,
    sizes: I64,
    limits: tuple[float, float, int, float],
    store: U64,
    stored: I64,
    slots: U64,
    heads: I32,
    posts: I32,
    used: I64,
    stamp: I32,
    found: I32,
    kept: I64,
    similarity: F64,
    rule: U8,
) -> None:
    """Visit a block of rows: name an earlier kept row each resembles, else keep and index it.

    Args:
        keys: Keys of the block's rows, each row ascending.
        ends: Where each row's keys end in `keys`.
        low: Visit of the block's first row.
        sizes: Shingles per visit, of all visits.
        limits: Jaccard threshold; containment threshold (0 = off); least shingles for containment; share of its
            shingles that a row has in common, at least, with any earlier row whose Jaccard with it is high enough.
        store: Keys of the kept rows.
        stored: (visits, 2): start and end in `store`.
        slots: Table of keys.
        heads: Per slot, the key's newest posting.
        posts: (capacity, 2): visit, next older posting (-1 = none).
        used: Keys in `store`, slots taken, postings.
        stamp: Per visit, the visit + 1 that last met it.
        found: Room for the candidates of one visit.
        kept: Per visit, filled with the visit resembled; -1 = none.
        similarity: Per visit, filled with the measured similarity.
        rule: Per visit, filled with NEAR or CONTAINED.
    """
    jaccard, containment, least_contained, probe_share = limits
    start = 0
    for row in range(ends.size):
        visit = low + row
        mine = keys[start : ends[row]]
        start = ends[row]
        size = sizes[visit]
        alone = size - mine.size  # shingles of no other row: the rarest, so the first of the prefix
        asked = containment if size >= least_contained else 0.0
        shared = least(probe_share, size)
        if asked > 0:
            shared = min(shared, least(asked, size))
        probe = mine[: max(0, min(mine.size, size - shared + 1 - alone))]
        least_size = 0.0 if asked > 0 else jaccard
        count = find_candidates(visit, probe, size, least_size, sizes, slots, heads, posts, stamp, found)
        for at in range(count):
            other = found[at]
            theirs = store[stored[other, 0] : stored[other, 1]]
            which, value = compare(mine, theirs, size, sizes[other], jaccard, asked)
            if which:
                kept[visit], similarity[visit], rule[visit] = other, value, which
                break
        if kept[visit] >= 0:
            continue
        indexed = mine.size
        if containment == 0:
            indexed = min(indexed, size - least(jaccard, size) + 1 - alone)
        if indexed > 0:
            stored[visit, 0] = used[0]
            stored[visit, 1] = used[0] + mine.size
            store[used[0] : used[0] + mine.size] = mine
            used[0] += mine.size
            index_keys(visit, mine, indexed, slots, heads, posts, used)
