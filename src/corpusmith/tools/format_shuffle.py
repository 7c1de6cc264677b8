"""Shuffle more rows than fit in memory: rows go to scratch files by split and hash range, each is sorted on its own.

A row's place is decided by its hash alone, so the order is the same whatever the number of buckets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import ROW_ID
from corpusmith.ops.sampling_fields import row_keys

ORDER = "_order"
BUCKET_BYTES = 64 << 20
"""Arrow bytes a bucket holds about: the memory bound of a shuffle is a few of these."""
_MOST_BUCKETS = 128  # a file stays open per bucket and split; past 8 GiB of rows the buckets grow instead


class Shuffle:
    """Takes rows in any order and gives them back per split, ordered by hash.

    Args:
        folder: Scratch folder.
        seed: Seed of the order.
        arrow_bytes: About how many Arrow bytes will come, to choose the number of buckets.
    """

    def __init__(self, folder: Path, seed: int, arrow_bytes: int) -> None:
        self._folder = folder
        self._seed = seed
        self.buckets = min(_MOST_BUCKETS, max(1, -(-arrow_bytes // BUCKET_BYTES)))
        self._open: dict[tuple[int, int], pa.ipc.RecordBatchStreamWriter] = {}
        self._schema: pa.Schema | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, table: pa.Table, split: npt.NDArray[np.int64]) -> None:
        """Take rows with, for each, the index of its split."""
        keys = row_keys(table.column(ROW_ID), self._seed, "shuffle")
        table = table.append_column(ORDER, pa.array(keys))
        bucket = ((keys >> np.uint64(32)) * np.uint64(self.buckets) >> np.uint64(32)).astype(np.int64)
        for place in sorted(set(zip(split.tolist(), bucket.tolist(), strict=True))):
            here = np.flatnonzero((split == place[0]) & (bucket == place[1]))
            if place not in self._open:
                self._open[place] = pa.ipc.new_stream(str(self._path(*place)), table.schema)
            self._open[place].write_table(table.take(pa.array(here)))

    def close(self) -> None:
        """No more rows come."""
        for writer in self._open.values():
            writer.close()

    def split(self, split: int) -> Iterator[pa.Table]:
        """The rows of one split in order, a bucket at a time; its files are removed behind."""
        for bucket in range(self.buckets):
            if (split, bucket) not in self._open:
                continue
            path = self._path(split, bucket)
            with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
                table = reader.read_all()
            path.unlink()
            order = np.argsort(table.column(ORDER).to_numpy(), kind="stable")
            yield table.take(pa.array(order)).drop_columns([ORDER])

    def _path(self, split: int, bucket: int) -> Path:
        return self._folder / f"{split}-{bucket:03d}.arrow"
