"""The `dedup` tool: drop copies, exact and near, each verified against the row that is kept (`ops.neardup`).

Dedup is the step that most often deletes good data unnoticed. So every dropped row names the row kept instead and the
similarity measured, nothing is dropped for a chain of likenesses, and the result raises an alarm for each source that
loses more than a share of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import SOURCE
from corpusmith.core.tools import Dataset, Decided, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.neardup import Duplicates, find_duplicates

MOST_ALARMS = 20
SMALLEST_SOURCE = 20
"""Rows a source must have for its loss to be an alarm."""


class DedupParams(ToolParams):
    """Which copies go, and which of them stays."""

    exact: bool = Field(True, description="drop rows whose words, case-folded, equal another row's")
    near: bool = Field(True, description="drop rows that share most word 5-grams with a kept row (exact copies too)")
    jaccard: float = Field(0.8, gt=0, le=1, description="least share of 5-grams in common for a near-duplicate")
    containment: float | None = Field(
        None, gt=0, le=1, description="also drop rows of which at least this share stands in a longer row; 0.5 finds "
        "cross-posts"
    )  # fmt: skip
    containment_min_shingles: int = Field(
        20, ge=1, description="rows of fewer distinct 5-grams are never dropped for containment alone"
    )
    keep: Literal["longest", "first"] = Field("longest", description="which copy stays: the longest, or the earliest")
    within: Literal["all", "source"] = Field("all", description="compare all rows, or only rows of the same source")
    on: Literal["text", "instruction", "prompt"] = Field(
        "text", description="column that is compared; an instruction together with its input"
    )
    source_alarm: float = Field(
        0.5, gt=0, le=1, description="share of a source's rows (of 20 or more) whose loss raises an alarm"
    )


class DedupResult(ToolResult):
    """What was dropped, and where it hurts."""

    rows_in: int
    rows_out: int
    exact_duplicates: int
    near_duplicates: int
    contained: int
    largest_cluster: int = Field(description="most rows dropped for one kept row")
    sources: int
    source_loss_max: float = Field(description="largest share of its rows that any source of 20 or more lost")
    alarms: tuple[str, ...] = Field((), description="sources that lost more than `source_alarm`, worst first")


def check(params: DedupParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what cannot be done, before anything is written.

    Raises:
        ParameterError: Nothing to look for, a column the data has not, or containment with keep="first".
    """
    if not (params.exact or params.near):
        raise ParameterError("dedup: neither exact nor near copies were asked for", hint="Set exact or near to true.")
    if params.containment is not None and not params.near:
        raise ParameterError("dedup: containment needs near=true")
    if params.containment is not None and params.keep == "first":
        raise ParameterError("dedup: containment needs keep='longest'", hint="An excerpt would remove its whole.")
    if params.on not in inputs["data"].schema.names:
        raise ParameterError(f"dedup: the data has no column {params.on!r}", hint="Use on='text'.")


def run(params: DedupParams, ctx: StepContext) -> DedupResult:
    """Find copies, write the rest, and say which sources lost how much."""
    data = ctx.data()
    found = find_duplicates(
        data,
        ctx.engine,
        jaccard=params.jaccard,
        containment=params.containment,
        containment_min_shingles=params.containment_min_shingles,
        near=params.near,
        keep=params.keep,
        within=params.within,
        on=params.on,
        scratch=ctx.scratch,
        cancel=ctx.cancel,
    )
    ctx.cancel.check()
    keep = found.kept < 0
    rules = _rules(found, params.exact)
    ctx.engine.select(data, _decided(found, rules, params), ctx.writer)
    losses = _losses(data, keep)
    big = {source: lost / rows for source, (rows, lost) in losses.items() if rows >= SMALLEST_SOURCE}
    return DedupResult(
        rows_in=keep.size,
        rows_out=int(keep.sum()),
        exact_duplicates=rules.count("exact_duplicate"),
        near_duplicates=rules.count("near_duplicate"),
        contained=rules.count("containment"),
        largest_cluster=int(np.bincount(found.kept[~keep]).max(initial=0)),
        sources=len(losses),
        source_loss_max=round(max(big.values(), default=0.0), 6),
        alarms=_alarms(losses, big, params.source_alarm),
    )


def _rules(found: Duplicates, exact: bool) -> list[str | None]:
    """Per row the rule that drops it; with `exact` off, exact copies go as the near-duplicates they are."""
    names = np.array([None, "exact_duplicate", "near_duplicate", "containment"], object)
    which = np.where(found.kept < 0, 0, np.where(found.exact & exact, 1, np.where(found.contained, 3, 2)))
    rules: list[str | None] = names[which].tolist()
    return rules


def _decided(found: Duplicates, rules: list[str | None], params: DedupParams) -> Decided:
    dropped = np.flatnonzero(found.kept >= 0)
    kept: list[str | None] = [None] * found.kept.size
    ids = found.row_ids.take(pa.array(found.kept[dropped])).to_pylist() if dropped.size else []
    for row, row_id in zip(dropped.tolist(), ids, strict=True):
        kept[row] = row_id
    # one threshold serves all rows of a step: with two rules in force there is none that is right for both
    threshold = params.jaccard if params.near and params.containment is None else None
    return Decided(found.kept < 0, rules, found.similarity, threshold, kept)


def _losses(data: Dataset, keep: npt.NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    """Rows and lost rows per source."""
    losses: dict[str, tuple[int, int]] = {}
    start = 0
    for batch in data.batches([SOURCE], rows=1 << 16):
        lost = pa.array(~keep[start : start + batch.num_rows]).cast(pa.int64())
        start += batch.num_rows
        grouped = batch.append_column("lost", lost).group_by(SOURCE).aggregate([("lost", "count"), ("lost", "sum")])
        for row in grouped.to_pylist():
            rows, gone = losses.get(row[SOURCE] or "", (0, 0))
            losses[row[SOURCE] or ""] = (rows + row["lost_count"], gone + row["lost_sum"])
    return losses


def _alarms(losses: Mapping[str, tuple[int, int]], shares: Mapping[str, float], limit: float) -> tuple[str, ...]:
    worst = sorted((-share, source) for source, share in shares.items() if share > limit)
    lines = [f"{source}: {losses[source][1]} of {losses[source][0]} rows dropped" for _, source in worst]
    more = len(lines) - MOST_ALARMS
    return tuple(lines[:MOST_ALARMS]) + ((f"and {more} more sources",) if more > 0 else ())


TOOL = Tool(
    name="dedup",
    version=2,
    kind="pure",
    params=DedupParams,
    run=run,
    summary="Drop exact and near copies, each verified against the row that is kept.",
    check=check,
)
