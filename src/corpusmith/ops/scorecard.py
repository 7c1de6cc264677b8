"""The scorecard of a dataset: every metric of `core.metrics` that was measured, each with its n and interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from corpusmith.core.gates import Metric, Scorecard, wilson
from corpusmith.core.metrics import METRICS
from corpusmith.ops.retention import Retention
from corpusmith.ops.tally import Tally


def share(hits: int, n: int) -> Metric:
    """`hits / n` with its Wilson 95 % interval; `n` at least 1."""
    low, high = wilson(hits, n)
    return Metric(value=hits / n, n=n, low=low, high=high)


def count(value: int, n: int) -> Metric:
    """A count over `n` rows, known exactly."""
    return Metric(value=value, n=n, low=value, high=value)


def build_scorecard(
    tally: Tally,
    *,
    artifact: str = "",
    exact: npt.NDArray[np.bool_] | None = None,
    near: npt.NDArray[np.bool_] | None = None,
    contaminated: npt.NDArray[np.bool_] | None = None,
    leaks: tuple[int, int] | None = None,
    prompt_leaks: tuple[int, int] | None = None,
    ungrounded: npt.NDArray[np.bool_] | None = None,
    retention: Retention | None = None,
) -> Scorecard:
    """Put the measurements together. A metric with nothing to measure it on is left out, so its gate fails.

    Args:
        tally: Sums over the rows.
        artifact: Id of the dataset.
        exact: Per row, whether its text stands in another row that is kept instead.
        near: Per row, whether any copy rule drops it; None = near-duplicates were not looked for.
        contaminated: Per row, whether it holds an evaluation item.
        leaks: Rows outside train with a near-duplicate in train, and rows outside train.
        prompt_leaks: Rows outside train with the prompt of a row in train, and rows outside train.
        ungrounded: Per answer that could be judged, whether the documents do not support it.
        retention: Against the run's input.
    """
    rows = tally.rows
    metrics = {"rows": count(rows, rows), "tokens": count(int(tally.length("tokens").sum()), rows)}
    shares: dict[str, tuple[int, int]] = {
        name: (tally.hits[name], tally.out_of.get(name, rows)) for name in tally.hits if name in METRICS
    }
    flags = (("exact_duplicate_rate", exact), ("near_duplicate_rate", near), ("contamination_rate", contaminated))
    shares.update({name: (int(found.sum()), rows) for name, found in flags if found is not None})
    if leaks is not None:
        shares["split_leak_rate"] = leaks
    if prompt_leaks is not None:
        shares["instruction_leak_rate"] = prompt_leaks
    if ungrounded is not None:
        shares["ungrounded_rate"] = (int(ungrounded.sum()), ungrounded.size)
    if retention is not None:
        shares["retention"] = (retention.kept, retention.rows)
        if retention.sources:
            shares["source_retention_min"] = min(
                ((kept, of) for of, kept in retention.sources.values()), key=lambda pair: (pair[0] / pair[1], -pair[1])
            )
    metrics.update({name: share(hits, n) for name, (hits, n) in shares.items() if n > 0})
    return Scorecard(artifact=artifact, metrics={name: metrics[name] for name in METRICS if name in metrics})


def split_leaks(kept: npt.NDArray[np.int64], splits: Sequence[str | None]) -> tuple[int, int] | None:
    """Rows outside train with a near-duplicate in train, and rows outside train; None when no row has a split.

    Rows that the duplicate rule drops for the same kept row count as copies of each other.

    Args:
        kept: Per row, the index of the row kept instead, or -1.
        splits: Per row, its split; `train` is the one that must not leak.
    """
    if not any(splits):
        return None
    index = np.arange(kept.size)
    leader = np.where(kept >= 0, kept, index)
    train = np.array([split == "train" for split in splits], bool)
    outside = np.array([split not in {None, "", "train"} for split in splits], bool)
    in_train = np.zeros(kept.size, bool)
    in_train[leader[train]] = True
    # with nothing outside train nothing leaks, and that was seen on every row
    return int((outside & in_train[leader]).sum()), int(outside.sum()) or kept.size
