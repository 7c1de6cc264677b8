r"""Greedy leaders: which rows resemble a kept row visited before them, found exactly, without comparing all pairs.

Rows are visited in a given order. A row that resembles an earlier *kept* row is dropped, and the earliest visited of
those is named; every other row is kept. So no two kept rows resemble each other, no row is dropped for a chain of
others it does not itself resemble, and a cluster of n copies costs n comparisons.

**Why no pair is missed** (prefix filtering: Chaudhuri et al. 2006; Bayardo et al. 2007; Xiao et al. 2008). Fix any
total order on shingles; here (how many rows have it, hash), rare first. The count is a cell of a fixed table, which
hashes may share: that makes the order less clever and never wrong. Let O = A∩B and |O| >= m. The least element of O
has m - 1 elements of O after it, in A as in B: so it is among the first |A| - m + 1 of A and the first |B| - m + 1 of
B, and indexing and probing such prefixes meets it.

- Jaccard >= t: |O| >= t·max(|A|, |B|), because the union has at least as many. So m = ceil(t·|A|) for A and
  ceil(t·|B|) for B. If rows are visited largest first, |B| >= |A| for a probing A; then
  |O| >= t/(1+t)·(|A|+|B|) >= 2t/(1+t)·|A| is a better m for the probe.
- Containment |O| / min(|A|, |B|) >= c, largest first: |O| >= c·|A| bounds the probe as before. For B the bound is
  c·|A| too, where A is not known yet and may be small: all of B is indexed.

A shingle counted once is in no other row. Such are left out of index, probe and merge but counted in |A|, and as the
rarest of all they stand first in the prefix: a row with more of them than the prefix is long costs nothing at all.
"""

from __future__ import annotations

import itertools
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from corpusmith.core.tools import Cancel
from corpusmith.ops.kernels.join import count_shingles, join_block, move_slots, rank_keys
from corpusmith.ops.kernels.words import I64, U8, U64

BLOCK = 1 << 21
"""Shingles worked on at a time (16 MiB)."""
BLOCK_ROWS = 1 << 12
"""Rows worked on at a time: each may touch pages far apart, of which the system maps 64 KiB around."""
_LARGEST_TABLE = 28


@dataclass(frozen=True)
class Limits:
    """What "resembles" means.

    Attributes:
        jaccard: Least |A∩B| / |A∪B|, in (0, 1].
        containment: Least |A∩B| / min(|A|, |B|), in (0, 1]; None = not asked. Needs a visit largest first.
        least_contained: Rows of fewer distinct shingles are never dropped for containment alone.
        largest_first: Whether rows are visited by falling number of shingles.
    """

    jaccard: float
    containment: float | None
    least_contained: int
    largest_first: bool

    def for_kernel(self) -> tuple[float, float, int, float]:
        """The limits as `kernels.join.join_block` takes them."""
        probe = 2 * self.jaccard / (1 + self.jaccard) if self.largest_first else self.jaccard
        return float(self.jaccard), float(self.containment or 0.0), self.least_contained, float(probe)


@dataclass(frozen=True)
class Leaders:
    """Per visit: the earlier visit it resembles (-1 = kept), how much, and by which rule (`kernels.join.NEAR` ...)."""

    kept: I64
    similarity: npt.NDArray[np.float64]
    rule: U8


class _Index:
    """Inverted lists over the keys of kept rows; grows by doubling, so memory follows what is kept."""

    def __init__(self) -> None:
        self.slots = np.zeros(1 << 16, np.uint64)
        self.heads = np.zeros(1 << 16, np.int32)
        self.posts = np.zeros((1 << 16, 2), np.int32)
        self.used = np.zeros(3, np.int64)

    def make_room(self, keys: int) -> None:
        """Make sure `keys` more can be added."""
        wanted = self.slots.size
        while wanted < 1.6 * (self.used[1] + keys):
            wanted *= 2
        if wanted > self.slots.size:
            slots, heads = np.zeros(wanted, np.uint64), np.zeros(wanted, np.int32)
            move_slots(self.slots, self.heads, slots, heads)
            self.slots, self.heads = slots, heads
        if self.posts.shape[0] < self.used[2] + keys:
            posts = np.zeros((max(2 * self.posts.shape[0], int(self.used[2]) + keys), 2), np.int32)
            posts[: self.used[2]] = self.posts[: self.used[2]]
            self.posts = posts


class _Store:
    """Keys of kept rows in a mapped file; `release` gives the pages back, so that resident memory stays small."""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("w+b") as file:
            file.truncate(8 * max(1, size))
            self._map = mmap.mmap(file.fileno(), 0)
        self.values = np.frombuffer(self._map, np.uint64)

    def release(self) -> None:
        """Let the operating system take the pages; they are read again when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def _read(file: BinaryIO, starts: I64, sizes: I64) -> U64:
    """The shingles of some rows, one row after the other."""
    out = np.empty(int(sizes.sum()), np.uint64)
    view, at = out.data.cast("B"), 0
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        file.seek(8 * start)
        file.readinto(view[8 * at : 8 * (at + size)])  # type: ignore[attr-defined]
        at += size
    return out


def find_leaders(hashes: Path, starts: I64, sizes: I64, limits: Limits, store: Path, cancel: Cancel | None) -> Leaders:
    """Decide on every visit.

    Args:
        hashes: File of 64-bit shingles; each row's are distinct.
        starts: Per visit, where its shingles start in the file (counted in shingles).
        sizes: Per visit, how many it has; rows of none are kept.
        limits: What "resembles" means.
        store: Path of a scratch file, made here.
        cancel: Asked between blocks.

    Returns:
        One entry a visit.
    """
    with hashes.open("rb") as file:
        return _find_leaders(file, starts, sizes, limits, _Store(store, int(sizes.sum())), cancel)


def _find_leaders(
    file: BinaryIO, starts: I64, sizes: I64, limits: Limits, store: _Store, cancel: Cancel | None
) -> Leaders:
    visits = sizes.size
    table, shift = _counts(file, starts, sizes, cancel)
    index = _Index()
    stored = np.zeros((visits, 2), np.int64)
    stamp, found = np.zeros(visits, np.int32), np.empty(visits, np.int32)
    out = Leaders(np.full(visits, -1, np.int64), np.zeros(visits), np.zeros(visits, np.uint8))
    given = limits.for_kernel()
    for low, high in _blocks(sizes):
        if cancel is not None:
            cancel.check()
        keys = _read(file, starts[low:high], sizes[low:high])
        ends = np.cumsum(sizes[low:high])
        rank_keys(keys, ends, table, shift)
        start = 0
        for end in ends.tolist():
            keys[start:end].sort()
            start = end
        index.make_room(_most_indexed(sizes[low:high], ends, limits))
        join_block(
            keys, ends, low, sizes, given, store.values, stored, index.slots, index.heads, index.posts, index.used,
            stamp, found, out.kept, out.similarity, out.rule,
        )  # fmt: skip
        store.release()
    return out


def _counts(file: BinaryIO, starts: I64, sizes: I64, cancel: Cancel | None) -> tuple[U8, np.uint64]:
    """Count, over the visited rows in file order, in how many rows each shingle is (cells may be shared)."""
    bits = min(_LARGEST_TABLE, max(12, int(2 * sizes.sum()).bit_length()))
    table, shift = np.zeros(1 << bits, np.uint8), np.uint64(64 - bits)
    in_file = np.argsort(starts, kind="stable")
    for low, high in _blocks(sizes[in_file]):
        if cancel is not None:
            cancel.check()
        block = in_file[low:high]
        count_shingles(_read(file, starts[block], sizes[block]), table, shift)
    return table, shift


def _blocks(sizes: I64) -> list[tuple[int, int]]:
    """Consecutive ranges of at most BLOCK_ROWS rows and about BLOCK shingles each."""
    ends = np.cumsum(sizes)
    limits = [0]
    while limits[-1] < sizes.size:
        done = int(ends[limits[-1] - 1]) if limits[-1] else 0
        fitting = int(np.searchsorted(ends, done + BLOCK, "right"))
        limits.append(min(limits[-1] + BLOCK_ROWS, max(limits[-1] + 1, fitting)))
    return list(itertools.pairwise(limits))


def _most_indexed(sizes: I64, ends: I64, limits: Limits) -> int:
    """Upper bound of the keys a block of rows adds to the index."""
    shared = np.diff(ends, prepend=0)
    if limits.containment is not None:
        return int(shared.sum())
    floor = np.maximum(1, np.floor(limits.jaccard * sizes - 1e-6)).astype(np.int64)
    return int(np.minimum(shared, np.maximum(0, sizes - floor + 1)).sum())
