r"""Shingles: a text as the set of its word 5-grams, the unit in which near-duplicates are measured.

Words are those of `ops.kernels.words` (runs of `\w`, case folded). A text of fewer words than a shingle has one
shingle, of all its words; a text without words has none. Shingles are 64-bit hashes: two rows would need hundreds of
colliding ones to be taken for duplicates wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from corpusmith.core.rows import SOURCE, TEXT, set_column
from corpusmith.ops.kernels.words import drop_repeats, fold_table, shingle_rows, utf8_buffers

SHINGLES, KEY_1, KEY_2, LENGTH = "_shingles", "_key_1", "_key_2", "_length"


@dataclass(frozen=True)
class Shingles:
    """Row operator. Reads `on`, `text` and `source`; adds marks for the driver of a dedup, none of which drops a row.

    Columns added:
        _shingles (large_list<uint64>): the row's distinct shingles, ascending (only with `shingles`).
        _key_1, _key_2 (uint64): 128 bits that are equal iff the normalised texts are: the case-folded words in order,
            or the stripped raw text where there are no words. Both 0 = empty.
        _length (int64): bytes of `text`.

    Attributes:
        size: Words per shingle.
        shingles: Whether `_shingles` is wanted.
        within: `source` makes rows of different sources share nothing.
        on: Column that is compared; `instruction` goes with the `input` it is about.
    """

    size: int = 5
    shingles: bool = True
    within: Literal["all", "source"] = "all"
    on: str = TEXT
    name: str = "shingles"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns added."""
        data, offsets = utf8_buffers(self._compared(batch))
        rows = batch.num_rows
        lengths = np.diff(offsets)
        seeds = self._seeds(batch)
        ends, keys = np.zeros(rows, np.int64), np.zeros((rows, 2), np.uint64)
        words = np.empty(int(lengths.max(initial=0)) // 2 + 1, np.uint64)
        out = np.empty(int(lengths.sum()) // 2 + rows, np.uint64)
        shingle_rows(data, offsets, seeds, fold_table(), self.size, words, out, ends, keys)
        for row in np.flatnonzero((keys == 0).all(axis=1) & (lengths > 0)):
            keys[row] = _raw_key(data[offsets[row] : offsets[row + 1]], int(seeds[row]))
        if self.shingles:
            start = 0
            for end in ends.tolist():
                out[start:end].sort()
                start = end
            total = drop_repeats(out, ends)
            limits = pa.array(np.concatenate((np.zeros(1, np.int64), ends)))
            listed = pa.LargeListArray.from_arrays(limits, pa.array(out[:total]))
            batch = set_column(batch, SHINGLES, listed)
        for name, values in ((KEY_1, keys[:, 0]), (KEY_2, keys[:, 1]), (LENGTH, _text_bytes(batch))):
            batch = set_column(batch, name, pa.array(np.ascontiguousarray(values)))
        return batch

    def _compared(self, batch: pa.Table) -> pa.ChunkedArray:
        if self.on != "instruction" or "input" not in batch.schema.names:
            return batch.column(self.on)
        return pc.binary_join_element_wise(
            batch.column("instruction"), batch.column("input"), pa.scalar("\n", pa.large_string()), null_handling="skip"
        )

    def _seeds(self, batch: pa.Table) -> npt.NDArray[np.uint64]:
        if self.within == "all":
            return np.zeros(batch.num_rows, np.uint64)
        sources = batch.column(SOURCE).to_pylist()
        known = {source: xxhash.xxh3_64_intdigest((source or "").encode()) for source in set(sources)}
        return np.array([known[source] for source in sources], np.uint64)


def _text_bytes(batch: pa.Table) -> npt.NDArray[np.int64]:
    return np.diff(utf8_buffers(batch.column(TEXT))[1])


def _raw_key(raw: npt.NDArray[np.uint8], seed: int) -> tuple[int, int]:
    """Key of a text without words: of its stripped characters, so that symbols are compared as they are."""
    text = raw.tobytes().decode("utf8", "replace").strip()
    if not text:
        return 0, 0
    digest = xxhash.xxh3_128_intdigest(text.encode(), seed)
    return (digest >> 64) or 1, digest & (2**64 - 1)
