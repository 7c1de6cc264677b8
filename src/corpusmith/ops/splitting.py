"""Split by group: rows that belong together go to one split together.

Rows belong together when they descend from one source row, are near-duplicates of each other, answer the same prompt,
or share a value the person names (an author, a product). A split drawn row by row puts a document's chunks and
paraphrases on both sides and measures memory, not learning.

Assignment, by largest deficit: groups larger than a tenth of the smallest split asked for come first, largest first;
the others follow in the order of their seeded hash. Each goes to the split that is furthest below its target in rows.
A split so ends less than one group above its target.

A split that the data came with is the field `split` of its rows; without one, the name of the list or file that they
stood in (`{"train": [...], "test": [...]}`, `train.jsonl` and `test.jsonl`), where every row has such a name and train
is one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import SOURCE, meta_values, set_column

Codes = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")
GIVEN, NAMED = "_given_split", "_split_named"
_ALIASES = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation", "testing": "test"}


@dataclass(frozen=True)
class GivenSplit:
    """Row operator. Reads the field `split`, `source` and the field `json_path`.

    Columns added:
        _given_split (large_string): the split a row came with, common other names brought to `SPLITS`; else null.
        _split_named (bool): whether it is only the name of the row's list or file; `given_splits` settles those.
    """

    name: str = "given-split"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns added."""
        given, named = [], []
        lists, files = meta_values(batch, "json_path"), batch.column(SOURCE).to_pylist()
        for value, inside, file in zip(meta_values(batch, "split"), lists, files, strict=True):
            own = value if isinstance(value, str) and value.strip() else None
            given.append(_split_called(own) if own else _split_of_list(inside) or _split_of_file(file))
            named.append(own is None and given[-1] is not None)
        batch = set_column(batch, GIVEN, pa.array(given, pa.large_string()))
        return set_column(batch, NAMED, pa.array(named, pa.bool_()))


def given_splits(table: pa.Table) -> list[str | None]:
    """The split each row came with, from the columns of `GivenSplit` over all rows of a dataset; None = none.

    Names of lists and files count only where every row has a split and train is among them: a lone `test.jsonl` is a
    file to work on, not a test set.
    """
    given: list[str | None] = table.column(GIVEN).to_pylist()
    named: list[bool] = table.column(NAMED).to_pylist()
    if not any(named) or (None not in given and "train" in given):
        return given
    return [None if by_name else split for split, by_name in zip(given, named, strict=True)]


def _split_called(name: str) -> str | None:
    """The split that `name` is a common name of."""
    folded = name.strip().lower()
    found = _ALIASES.get(folded, folded)
    return found if found in SPLITS else None


def _split_of_list(path: object) -> str | None:
    """The split that a dotted path of JSON keys names: `train.articles.samples` is train."""
    return next(filter(None, map(_split_called, path.split("."))), None) if isinstance(path, str) else None


@lru_cache(maxsize=4096)
def _split_of_file(uri: str | None) -> str | None:
    """The split that one word of a file's name, or the whole name of a folder above it, names."""
    *folders, name = (uri or "").split("/")
    words = {split for word in re.split(r"[^a-z]+", name.lower()) if (split := _split_called(word))}
    if words:
        return words.pop() if len(words) == 1 else None
    return next(filter(None, map(_split_called, reversed(folders))), None)


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
