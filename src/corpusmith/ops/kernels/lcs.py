"""Longest common subsequences of two sequences of numbers, by the table of Wagner & Fischer (1974)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ids = npt.NDArray[np.int32]
Marks = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def lcs_length(one: Ids, other: Ids) -> int:
    """The length of the longest common subsequence; O(m n) time, O(n) memory."""
    row = np.zeros(len(other) + 1, np.int32)
    for i in range(len(one)):
        corner = np.int32(0)
        for j in range(len(other)):
            above = row[j + 1]
            row[j + 1] = corner + 1 if one[i] == other[j] else max(above, row[j])
            corner = above
    return int(row[len(other)])


@njit(cache=True, nogil=True)
def mark_lcs(one: Ids, other: Ids, marks: Marks) -> None:
    """Set `marks[i]` for each place of `one` that belongs to a longest common subsequence; O(m n) time and memory.

    Of several it is the one that ROUGE-1.5.5 reads out: from the end, a step back in `one` unless the other is longer.
    """
    table = np.zeros((len(one) + 1, len(other) + 1), np.int32)
    for i in range(len(one)):
        for j in range(len(other)):
            if one[i] == other[j]:
                table[i + 1, j + 1] = table[i, j] + 1
            else:
                table[i + 1, j + 1] = max(table[i, j + 1], table[i + 1, j])
    i, j = len(one), len(other)
    while i > 0 and j > 0:
        if one[i - 1] == other[j - 1]:
            marks[i - 1] = True
            i -= 1
            j -= 1
        elif table[i, j - 1] > table[i - 1, j]:
            j -= 1
        else:
            i -= 1
