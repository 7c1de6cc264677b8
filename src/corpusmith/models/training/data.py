"""Prepared Parquet as a memory-mapped data set, and the few facts about it that training needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import PreconditionError, SourceError
from corpusmith.models.training.spec import Method

COLUMNS: dict[str, tuple[str, ...]] = {
    "sft": ("input_ids", "labels", "position_ids"),
    "pretrain": ("input_ids", "labels", "position_ids"),
    "dpo": ("prompt_ids", "chosen_ids", "rejected_ids"),
}
LOOKED_AT = 4096
"""Rows that the mean length is taken from."""


@dataclass(frozen=True)
class DataFacts:
    """What was seen in prepared data.

    Attributes:
        rows: Prepared rows, all of them.
        attended: Mean length of the example that a token stands in (sum of squares over sum), in tokens.
        largest_id: Largest token id.
    """

    rows: int
    attended: float
    largest_id: int


def look_at(path: str, method: Method) -> DataFacts:
    """Check prepared data and take its facts.

    Raises:
        SourceError: No such file, or not prepared data of this method.
        PreconditionError: It has no row, or no token that bears loss.
    """
    if not Path(path).is_file():
        raise SourceError(f"no prepared data at {path}", hint="prepare the examples first")
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path} is not a Parquet file: {error}", hint="prepare the examples again") from error
    missing = [name for name in COLUMNS[method] if name not in file.schema_arrow.names]
    if missing:
        raise SourceError(
            f"{path} is not prepared for {method}: it lacks {', '.join(missing)}", hint=f"prepare it for {method}"
        )
    rows = file.metadata.num_rows
    if not rows:
        raise PreconditionError("there is no example to train on", hint="check the filters and the split of the data")
    lengths: list[np.ndarray[Any, Any]] = []
    bearing = largest = seen = 0
    for batch in file.iter_batches(1024, columns=list(COLUMNS[method])):
        ids = [_flat(batch.column(name)) for name in COLUMNS[method]]
        if method == "dpo":
            prompt, chosen, rejected = (batch.column(name).value_lengths().to_numpy() for name in COLUMNS["dpo"])
            lengths += [prompt + chosen, prompt + rejected]
            bearing += int(min(chosen.sum(), rejected.sum()))
            largest = max(largest, *(int(column.max(initial=0)) for column in ids))
        else:
            starts = np.flatnonzero(ids[2] == 0)
            lengths.append(np.diff(np.append(starts, len(ids[2]))))
            bearing += int(np.count_nonzero((ids[1] != -100) & (ids[2] != 0)))
            largest = max(largest, int(ids[0].max(initial=0)))
        seen += batch.num_rows
        if seen >= LOOKED_AT and bearing:
            break
    if not bearing:
        raise PreconditionError("no token bears loss: every response is empty or cut off", hint="look at the examples")
    every = np.concatenate(lengths).astype(np.float64)
    return DataFacts(rows, float((every**2).sum() / every.sum()), largest)


def _flat(column: pa.Array) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = column.flatten().to_numpy(zero_copy_only=False)
    return values


def open_rows(path: str, method: Method, cache: Path) -> Any:
    """The rows as a `datasets.Dataset`, mapped into memory from an Arrow copy under `cache`.

    Rows of `sft` and `pretrain` come as numpy arrays, those of `dpo` as lists.
    """
    import datasets

    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        rows = datasets.Dataset.from_parquet(path, cache_dir=str(cache), columns=list(COLUMNS[method]))
    finally:
        if not shown:
            datasets.enable_progress_bars()
    return rows if method == "dpo" else rows.with_format("numpy")
