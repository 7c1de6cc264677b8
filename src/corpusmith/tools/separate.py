"""The `separate` tool: end the leak between the splits that data came with.

A row leaks when it stands on both sides: its text, or its prompt alone whatever the answer, exact or near
(`ops.neardup`). Either the rows of train that leak leave, so that what is held out stays as it was and results on it
stay comparable; or the split is drawn anew, in the same shares, with all rows that belong together on one side
(`ops.splitting`), so that no row is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from corpusmith.core.errors import PreconditionError
from corpusmith.core.rows import ROW_ID, TEXT, Shape, set_column
from corpusmith.core.tools import Dataset, Decided, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.ops.neardup import Keep, find_duplicates
from corpusmith.ops.sampling_fields import row_keys
from corpusmith.ops.splitting import GIVEN, NAMED, SPLITS, GivenSplit, assign_splits, given_splits, union_groups

Codes = npt.NDArray[np.int64]
SPLIT, TRAIN = "split", "train"
RULES = {TEXT: "split_leak.text", "instruction": "split_leak.instruction", "prompt": "split_leak.instruction"}
MOVED = "separate.moved"


class SeparateParams(ToolParams):
    """How a leak is ended."""

    action: Literal["drop", "regroup"] = Field(
        "drop", description="drop the rows of train that leak, or draw the split anew by group, in the same shares"
    )
    near: bool = Field(True, description="near copies leak too, not only exact ones")
    jaccard: float = Field(0.8, gt=0, le=1, description="least share of word 5-grams in common for a near copy")
    most: float = Field(
        0.2, gt=0, le=1, description="drop: refuse where more than this share of train would go; regroup then"
    )


class SeparateResult(ToolResult):
    """What leaked, and what was done."""

    rows_in: int
    rows_out: int
    splits: dict[str, int] = Field(description="rows per split afterwards")
    leaking: int = Field(description="rows outside train that stand in train, by their text or their prompt")
    dropped: dict[str, int] = Field(description="rows of train that left, by rule")
    moved: int = Field(0, description="rows that changed their split")


def run(params: SeparateParams, ctx: StepContext) -> SeparateResult:
    """Find what stands on both sides, and end it.

    Raises:
        PreconditionError: The data came with no split, with one side of it only, or train would lose too much.
    """
    data = ctx.data()
    splits, row_ids = _given(ctx)
    sides = {split for split in splits if split}
    if TRAIN not in sides or len(sides) < 2:
        raise PreconditionError(
            "separate: the data came with no train and test of its own", hint="Ask for a split instead (90/5/5)."
        )
    columns = {Shape.INSTRUCTION: (TEXT, "instruction"), Shape.PREFERENCE: (TEXT, "prompt")}.get(data.shape, (TEXT,))
    leaders = [(column, kept) for column in columns for kept in _leaders(column, params, ctx)]
    ctx.cancel.check()
    train = np.array([split == TRAIN for split in splits], bool)
    outside = np.array([split not in (None, TRAIN) for split in splits], bool)
    leaking = np.zeros(data.rows, bool)
    for _, kept in leaders:
        leaking |= outside & np.isin(kept, kept[train])
    if params.action == "regroup":
        return _regroup(splits, row_keys(row_ids, ctx.seed, "separate"), leaders, int(leaking.sum()), ctx)
    return _drop(params, ctx, splits, row_ids, leaders, int(leaking.sum()))


def _given(ctx: StepContext) -> tuple[list[str | None], pa.ChunkedArray]:
    """The split that each row came with, and its id."""
    tables = list(ctx.engine.stream(ctx.data(), [GivenSplit()], [ROW_ID, GIVEN, NAMED]))
    table = pa.concat_tables(tables)
    return given_splits(table), table.column(ROW_ID)


def _leaders(column: str, params: SeparateParams, ctx: StepContext) -> list[Codes]:
    """For every row the row it is a copy of, itself where it is none, found in two orders of visiting.

    Two copies of different leaders may resemble each other: the second order finds most of those.
    """
    out: list[Codes] = []
    orders: tuple[Keep, ...] = ("longest", "first")
    for keep in orders:
        found = find_duplicates(
            ctx.data(), ctx.engine, jaccard=params.jaccard, near=params.near, keep=keep, on=column,
            scratch=ctx.scratch / column, cancel=ctx.cancel,
        ).kept  # fmt: skip
        out.append(np.where(found >= 0, found, np.arange(found.size)))
        if not params.near or not (found >= 0).any():
            break
    return out


def _drop(
    params: SeparateParams,
    ctx: StepContext,
    splits: Sequence[str | None],
    row_ids: pa.ChunkedArray,
    leaders: Sequence[tuple[str, Codes]],
    leaking: int,
) -> SeparateResult:
    """Rows of train that stand outside it leave; each names the row outside."""
    train = np.array([split == TRAIN for split in splits], bool)
    outside = np.array([split not in (None, TRAIN) for split in splits], bool)
    twin, rules = np.full(train.size, -1, np.int64), np.full(train.size, None, object)
    for column, kept in leaders:
        first = np.full(train.size, -1, np.int64)
        held = np.flatnonzero(outside)[::-1]
        first[kept[held]] = held
        here = train & (first[kept] >= 0) & (twin < 0)
        twin[here], rules[here] = first[kept][here], RULES[column]
    gone = twin >= 0
    if gone.sum() > params.most * train.sum():
        raise PreconditionError(
            f"separate: {gone.sum():,} of {train.sum():,} rows of train stand outside it too, more than "
            f"{params.most:.0%}", hint="Draw the split anew by group."
        )  # fmt: skip
    others: list[str | None] = [None] * twin.size
    for row in np.flatnonzero(gone).tolist():
        others[row] = row_ids[int(twin[row])].as_py()
    ctx.engine.select(ctx.data(), Decided(~gone, rules.tolist(), kept=others), ctx.writer)
    left = [split for split, went in zip(splits, gone, strict=True) if not went]
    return SeparateResult(
        rows_in=gone.size,
        rows_out=len(left),
        splits=_sizes(left),
        leaking=leaking,
        dropped={rule: int((rules == rule).sum()) for rule in dict.fromkeys(RULES.values()) if (rules == rule).any()},
    )


def _regroup(
    splits: Sequence[str | None],
    keys: npt.NDArray[np.uint64],
    leaders: Sequence[tuple[str, Codes]],
    leaking: int,
    ctx: StepContext,
) -> SeparateResult:
    """The split drawn anew: what belongs together goes to one side, and the sides keep their shares."""
    size = len(splits)
    links = [(np.flatnonzero(kept != np.arange(size)), kept[kept != np.arange(size)]) for _, kept in leaders]
    counts = _sizes(splits)
    shares = {name: rows / sum(counts.values()) for name, rows in counts.items()}
    into = assign_splits(union_groups(size, links), np.ones(size, np.int64), keys, shares)
    names = [SPLITS[at] for at in into]
    start = 0
    for batch in ctx.data().batches():
        ctx.cancel.check()
        here = names[start : start + batch.num_rows]
        was = splits[start : start + batch.num_rows]
        start += batch.num_rows
        ctx.writer.write(set_column(batch, SPLIT, pa.array(here, pa.large_string())))
        moved = [at for at, (old, new) in enumerate(zip(was, here, strict=True)) if old != new]
        ids = batch.column(ROW_ID).take(pa.array(moved, pa.int64())).to_pylist()
        detail = [{"from": was[at], "to": here[at]} for at in moved]
        ctx.writer.ledger(ledger_lines(ids, "mark", MOVED, detail=detail))
    changed = sum(old != new for old, new in zip(splits, names, strict=True))
    return SeparateResult(
        rows_in=size, rows_out=size, splits=_sizes(names), leaking=leaking, dropped={}, moved=changed
    )  # fmt: skip


def _sizes(splits: Sequence[str | None]) -> dict[str, int]:
    """Rows per split, in the order of `SPLITS`."""
    return {name: count for name in SPLITS if (count := splits.count(name))}


def check(_params: SeparateParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse data without rows.

    Raises:
        PreconditionError: There are none.
    """
    if not inputs["data"].rows:
        raise PreconditionError("separate: the data has no rows")


TOOL = Tool(
    name="separate",
    version=1,
    kind="pure",
    params=SeparateParams,
    run=run,
    summary="End the leak between train and test that data came with: drop rows of train, or split anew by group.",
    check=check,
)
