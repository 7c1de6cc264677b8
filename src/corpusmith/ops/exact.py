"""Exact duplicates: rows whose normalised text is equal, found by sorting 128-bit keys (`ops.shingles`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def exact_leaders(
    key_1: npt.NDArray[np.uint64], key_2: npt.NDArray[np.uint64], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each row, the first row in visiting order that has its key; itself where it is the first.

    Args:
        key_1: n first halves of the keys.
        key_2: n second halves. Rows whose halves are both 0 are empty: each is its own leader.
        order: n row indices, first visited first.
    """
    rows = key_1.size
    rank = np.empty(rows, np.int64)
    rank[order] = np.arange(rows)
    by_key = np.lexsort((rank, key_2, key_1))
    first, second = key_1[by_key], key_2[by_key]
    starts = np.ones(rows, bool)
    starts[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1]) | ((first[1:] == 0) & (second[1:] == 0))
    leaders = np.empty(rows, np.int64)
    leaders[by_key] = by_key[np.maximum.accumulate(np.where(starts, np.arange(rows), 0))]
    return leaders
