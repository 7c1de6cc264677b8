"""Examples as the Parquet files that a training reads (`models.training.spec` has the columns)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.models.examples import Example, Pair

_IDS = pa.list_(pa.int32())
PACKED = pa.schema([("input_ids", _IDS), ("labels", _IDS), ("position_ids", _IDS)])
PAIRS = pa.schema([("prompt_ids", _IDS), ("chosen_ids", _IDS), ("rejected_ids", _IDS)])
BATCH = 512


def write_packed(path: Path, examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> None:
    """Write rows of examples; position ids restart with each, and its first token is nobody's prediction.

    Args:
        path: The file, replaced.
        examples: What the rows point at.
        rows: Indices into `examples`, a list per row, in training order.
    """
    with pq.ParquetWriter(path, PACKED) as sink:
        for start in range(0, len(rows), BATCH):
            packed = [[examples[index] for index in row] for row in rows[start : start + BATCH]]
            columns = [
                [np.concatenate([example.ids for example in row]) for row in packed],
                [np.concatenate([_labels(example) for example in row]) for row in packed],
                [np.concatenate([np.arange(len(example.ids), dtype=np.int32) for example in row]) for row in packed],
            ]
            sink.write_table(pa.table([pa.array(column, _IDS) for column in columns], schema=PACKED))


def _labels(example: Example) -> np.ndarray:
    labels = example.labels
    labels[0] = -100  # in a packed row it would be predicted from the example before
    return labels


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write preference pairs, in training order; replaces the file."""
    columns = [
        [pair.prompt for pair in pairs],
        [pair.chosen for pair in pairs],
        [pair.rejected for pair in pairs],
    ]
    pq.write_table(pa.table([pa.array(column, _IDS) for column in columns], schema=PAIRS), path)
