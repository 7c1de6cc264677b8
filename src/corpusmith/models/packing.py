"""Packing: examples into rows of one length by best-fit decreasing, so that few positions are padding.

The longest example goes first, each into the fullest row that still takes it. Position ids restart at 0 with every
example, which is how attention is kept inside it. Best-fit decreasing needs at most 11/9 of the fewest rows possible
(Johnson, "Near-optimal bin packing algorithms", 1973). No example is ever cut here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pack(lengths: Sequence[int] | npt.NDArray[np.integer], capacity: int) -> list[list[int]]:
    """Which examples share a row.

    Args:
        lengths: Tokens of each example, each in [1, capacity].
        capacity: Tokens a row takes.

    Returns:
        Rows of indices into `lengths`; every index stands in exactly one.

    Raises:
        ValueError: An example is empty or longer than a row.
    """
    sizes = np.asarray(lengths, np.int64)
    if sizes.size and (sizes.min() < 1 or sizes.max() > capacity):
        raise ValueError(f"lengths are in [{sizes.min()}, {sizes.max()}], not in [1, {capacity}]")
    rows: list[list[int]] = []
    free: list[int] = []  # distinct free spaces, sorted
    having: dict[int, list[int]] = {}  # rows by free space
    for index in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[index])
        at = bisect_left(free, size)
        if at < len(free):
            space = free[at]
            row = having[space].pop()
            if not having[space]:
                del having[space]
                free.pop(at)
        else:
            space, row = capacity, len(rows)
            rows.append([])
        rows[row].append(index)
        left = space - size
        if left not in having:
            having[left] = []
            insort(free, left)
        having[left].append(row)
    return rows


def singles(count: int) -> list[list[int]]:
    """One example a row."""
    return [[index] for index in range(count)]


def efficiency(lengths: Sequence[int] | npt.NDArray[np.integer], rows: int, capacity: int) -> float:
    """Share of the positions of `rows` rows that hold a token; 1.0 when there are none."""
    return float(np.sum(lengths) / (rows * capacity)) if rows else 1.0


def shuffled(rows: list[list[int]], seed: int) -> list[list[int]]:
    """The rows in a seeded order, and the examples within each: the order of training."""
    draw = np.random.default_rng(seed)
    return [[rows[at][n] for n in draw.permutation(len(rows[at]))] for at in draw.permutation(len(rows))]
