"""How much of a run's input is left: rows are followed by the id of the source row they descend from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import xxhash

from corpusmith.core.ids import root_row_id
from corpusmith.core.rows import ROW_ID, SOURCE
from corpusmith.core.tools import Dataset


@dataclass(frozen=True)
class Retention:
    """Rows of the input, and how many of them are still represented; in all and per source.

    Attributes:
        rows: Distinct source rows of the input.
        kept: Those that a row of the data descends from.
        sources: Per source URI: (rows, kept).
    """

    rows: int
    kept: int
    sources: dict[str, tuple[int, int]]


def root_hashes(ids: list[str]) -> npt.NDArray[np.uint64]:
    """xxh3-64 of the root id of each row id."""
    return np.array([xxhash.xxh3_64_intdigest(root_row_id(value).encode()) for value in ids], np.uint64)


def measure_retention(data: Dataset, baseline: Dataset) -> Retention:
    """Compare the source rows represented in `data` with those of `baseline`. Needs 8 bytes a row."""
    left = [root_hashes(batch.column(ROW_ID).to_pylist()) for batch in data.batches([ROW_ID], 65_536)]
    present = np.unique(np.concatenate([np.zeros(0, np.uint64), *left]))
    seen = np.zeros(0, np.uint64)
    sources: dict[str, tuple[int, int]] = {}
    for batch in baseline.batches([ROW_ID, SOURCE], 65_536):
        hashes, first = np.unique(root_hashes(batch.column(ROW_ID).to_pylist()), return_index=True)
        new = ~np.isin(hashes, seen)
        seen = np.union1d(seen, hashes[new])
        kept = np.isin(hashes[new], present)
        names = pc.fill_null(batch.column(SOURCE), "").take(first[new]).to_pylist()
        for name, stays in zip(names, kept, strict=True):
            rows, before = sources.get(name, (0, 0))
            sources[name] = rows + 1, before + int(stays)
    return Retention(sum(r for r, _ in sources.values()), sum(k for _, k in sources.values()), sources)
