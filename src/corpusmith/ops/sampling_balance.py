"""Even out categories inside the training split: thin the large ones or repeat the small ones.

Only after the split and only within train: an oversampled copy that lands in another split is a leak, and a balanced
test set no longer shows how the model does on what it will meet.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.ids import derived_row_id
from corpusmith.core.rows import PARENT_ID, ROW_ID, set_column
from corpusmith.ops.sampling import Bools, Codes, Keys, ranks

Balancing = Literal["undersample", "oversample", "cap_median"]
COPY = "copy"


def target_size(sizes: npt.NDArray[np.int64], method: Balancing) -> int:
    """Rows every category should have: the smallest (`undersample`), largest (`oversample`) or median size.

    An even number of categories has the lower of the two middle sizes as its median, so that no category is asked for
    more rows than the larger half has.
    """
    if not len(sizes):
        return 0
    ordered = np.sort(sizes)
    return int(
        {"undersample": ordered[0], "oversample": ordered[-1], "cap_median": ordered[(len(sizes) - 1) // 2]}[method]
    )


def thin(keys: Keys, codes: Codes, within: Bools, target: int) -> Bools:
    """Which of n rows stay: all outside `within`; inside, the `target` lowest keys of each category."""
    keep = ~within
    inside = np.flatnonzero(within)
    keep[inside[ranks(keys[inside], codes[inside]) < target]] = True
    return keep


def copies(keys: Keys, codes: Codes, within: Bools, target: int, most: int | None = None) -> npt.NDArray[np.int64]:
    """How many copies each of n rows gets so that its category reaches `target` rows, shared out evenly by key.

    Args:
        keys: n hashes.
        codes: n category numbers.
        within: Rows that may be copied and are counted.
        target: Rows per category to reach.
        most: Most copies of one row; None = as many as it takes.
    """
    out = np.zeros(len(keys), np.int64)
    inside = np.flatnonzero(within)
    if not len(inside):
        return out
    sizes = np.bincount(codes[inside])
    missing = np.maximum(0, target - sizes[codes[inside]])
    size = sizes[codes[inside]]
    given = missing // size + (ranks(keys[inside], codes[inside]) < missing % size)
    out[inside] = given if most is None else np.minimum(given, most)
    return out


def with_copies(batch: pa.Table, counts: npt.NDArray[np.int64]) -> tuple[pa.Table, list[str]]:
    """A batch with each row followed by its copies, as derived rows; and the copies' ids."""
    where = np.repeat(np.arange(batch.num_rows), counts + 1)
    ordinal = np.arange(len(where)) - np.repeat(np.cumsum(counts + 1) - (counts + 1), counts + 1)
    out = batch.take(pa.array(where))
    ids, parents = out.column(ROW_ID).to_pylist(), out.column(PARENT_ID).to_pylist()
    made = []
    for at in np.flatnonzero(ordinal):
        parents[at] = ids[at]
        ids[at] = derived_row_id(ids[at], COPY, int(ordinal[at]) - 1)
        made.append(ids[at])
    out = set_column(out, ROW_ID, pa.array(ids, pa.large_string()))
    return set_column(out, PARENT_ID, pa.array(parents, pa.large_string())), made
