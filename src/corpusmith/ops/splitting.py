"""Split by group: rows that belong together go to one split together.

Rows belong together when they descend from one source row, are near-duplicates of each other, answer the same prompt,
or share a value the person names (an author, a product). A split drawn row by row puts a document's chunks and
paraphrases on both sides and measures memory, not learning.

Assignment, by largest deficit: groups larger than a tenth of the smallest split asked for come first, largest first;
the others follow in the order of their seeded hash. Each goes to the split that is furthest below its target in rows.
A split so ends less than one group above its target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import meta_values, set_column

Codes = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")
GIVEN = "_given_split"
_ALIASES = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation", "testing": "test"}


@dataclass(frozen=True)
class GivenSplit:
    """Row operator: adds `_given_split`, the split a row came with (its column or its field `split`), else null."""

    name: str = "given-split"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the split each row came with; common other names are brought to `SPLITS`."""
        found = []
        for value in meta_values(batch, "split"):
            name = value.strip().lower() if isinstance(value, str) else None
            name = _ALIASES.get(name, name) if name else None
            found.append(name if name in SPLITS else None)
        return set_column(batch, GIVEN, pa.array(found, pa.large_string()))


def union_groups(count: int, links: Sequence[tuple[Codes, Codes]]) -> Codes:
    """The connected components of n rows.

    Args:
        count: n.
        links: Pairs of equally long index arrays; row a[i] belongs with row b[i].

    Returns:
        For each row, the lowest row index of its component.
    """
    root = np.arange(count)
    while links:
        before = root.copy()
        for left, right in links:
            low = np.minimum(root[left], root[right])
            np.minimum.at(root, root[left], low)
            np.minimum.at(root, root[right], low)
            np.minimum.at(root, left, low)
            np.minimum.at(root, right, low)
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            break
    return root


def same_value_links(values: npt.NDArray[np.uint64]) -> tuple[Codes, Codes]:
    """Links between rows of equal hash (0 = the row has no value)."""
    order = np.lexsort((np.arange(len(values)), values))
    ordered = values[order]
    here = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != 0))
    return order[here], order[here + 1]


def assign_splits(
    groups: Codes, weights: Codes, keys: npt.NDArray[np.uint64], shares: Mapping[str, float]
) -> npt.NDArray[np.int64]:
    """The split of each row, as an index into `SPLITS`; rows of one group get the same.

    Args:
        groups: n group labels.
        weights: n rows (or windows) each input row will become.
        keys: n seeded hashes; a group's is the lowest of its rows.
        shares: Share of the total weight per split; they sum to 1.
    """
    if not len(groups):
        return np.zeros(0, np.int64)
    names, member = np.unique(groups, return_inverse=True)
    size = np.bincount(member, weights=weights, minlength=len(names))
    key = np.full(len(names), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(key, member, keys)
    target = np.array([shares.get(name, 0.0) for name in SPLITS]) * size.sum()
    asked = target[target > 0]
    large = size > (asked.min() / 10 if len(asked) else 0)
    large &= size > 1
    order = np.lexsort((key, np.where(large, -size, 0.0)))
    allowed = np.where(target > 0, 0.0, -np.inf)
    left = target + allowed
    into = np.zeros(len(names), np.int64)
    for group in order:
        into[group] = choice = int(np.argmax(left))
        left[choice] -= size[group]
    return into[member]
