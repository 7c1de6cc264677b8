"""Examples as the Parquet files that a training reads (`models.training.spec` has the columns), and a look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import PreconditionError
from corpusmith.models.examples import NO_LOSS, Example, Pair
from corpusmith.models.training.spec import Method, TrainSpec

_IDS = pa.list_(pa.int32())
PACKED = pa.schema([("input_ids", _IDS), ("labels", _IDS), ("position_ids", _IDS)])
PAIRS = pa.schema([("prompt_ids", _IDS), ("chosen_ids", _IDS), ("rejected_ids", _IDS)])
BATCH = 512
SHOWN = 3


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
    labels[0] = NO_LOSS  # in a packed row it would be predicted from the example before
    return labels


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write preference pairs, in training order; replaces the file."""
    columns = [
        [pair.prompt for pair in pairs],
        [pair.chosen for pair in pairs],
        [pair.rejected for pair in pairs],
    ]
    pq.write_table(pa.table([pa.array(column, _IDS) for column in columns], schema=PAIRS), path)


@dataclass(frozen=True)
class Row:
    """One prepared row; of a preference pair, its prompt with the chosen response."""

    ids: list[int]
    labels: list[int]
    positions: list[int]


@dataclass(frozen=True)
class Seen:
    """What was seen in prepared data; a preference pair counts as its prompt with the chosen response.

    Attributes:
        rows: How many.
        tokens: Tokens of one pass.
        loss_tokens: Of those, the ones that bear loss.
        most_loss: Most of them in one row.
        largest_id: Largest token id.
        first: The first rows.
        longest: The longest row.
    """

    rows: int
    tokens: int
    loss_tokens: int
    most_loss: int
    largest_id: int
    first: tuple[Row, ...]
    longest: Row


def read_prepared(spec: TrainSpec) -> Seen:
    """Look through the prepared data of a training, a row group at a time.

    Raises:
        PreconditionError: It holds no row.
    """
    file = pq.ParquetFile(spec.data)
    if not file.metadata.num_rows:
        raise PreconditionError("no example is left to train on", hint="See the step's counts for what was dropped.")
    tokens = loss_tokens = most_loss = largest = length = 0
    first: list[Row] = []
    longest = Row([], [], [])
    for batch in file.iter_batches(1024):
        lengths, losses = _sizes(batch, spec.method)
        tokens, loss_tokens = tokens + int(lengths.sum()), loss_tokens + int(losses.sum())
        most_loss = max(most_loss, int(losses.max(initial=0)))
        columns = [name for name in batch.schema.names if name.endswith("_ids") and name != "position_ids"]
        largest = max(largest, *(int(_flat(batch, name).max(initial=0)) for name in columns))
        first += [_row(batch, at, spec.method) for at in range(min(SHOWN - len(first), batch.num_rows))]
        if int(lengths.max()) > length:
            length, longest = int(lengths.max()), _row(batch, int(lengths.argmax()), spec.method)
    return Seen(file.metadata.num_rows, tokens, loss_tokens, most_loss, largest, tuple(first), longest)


def _flat(batch: pa.RecordBatch, name: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = batch.column(name).flatten().to_numpy(zero_copy_only=False)
    return values


def _sizes(batch: pa.RecordBatch, method: Method) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Per row: tokens, and those that bear loss."""
    if method == "dpo":
        prompt, chosen = (batch.column(name).value_lengths().to_numpy() for name in ("prompt_ids", "chosen_ids"))
        return prompt + chosen, chosen
    lengths = batch.column("input_ids").value_lengths().to_numpy()
    bearing = np.concatenate([[0], np.cumsum(_flat(batch, "labels") != NO_LOSS)])
    ends = np.cumsum(lengths)
    return lengths, bearing[ends] - bearing[ends - lengths]


def _row(batch: pa.RecordBatch, at: int, method: Method) -> Row:
    if method != "dpo":
        return Row(*(batch.column(name)[at].as_py() for name in ("input_ids", "labels", "position_ids")))
    prompt, chosen = (batch.column(name)[at].as_py() for name in ("prompt_ids", "chosen_ids"))
    ids = [*prompt, *chosen]
    return Row(ids, [NO_LOSS] * len(prompt) + chosen, list(range(len(ids))))
