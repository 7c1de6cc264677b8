"""The `decontaminate` tool: find the rows that hold an item of an evaluation set (`ops.contamination`), drop or mark.

Dropped or marked, each such row has a ledger line that names the item and the share of it that was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.tools import Dataset, Decided, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.contamination import Contamination, find_contamination
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.tools.inputs import inputs_in

RULE_NAME = "contamination"
_COMMON_ROWS = 20


class DecontaminateParams(ToolParams):
    """How much of an item makes a row contaminated, and what becomes of it."""

    ngram: int = Field(5, ge=2, le=13, description="words per seed n-gram; larger misses edited short items")
    threshold: float = Field(
        0.8, gt=0, le=1, description="least share of an item, weighted by how telling its words are, found in order in "
        "one stretch of the row"
    )  # fmt: skip
    action: Literal["drop", "mark"] = Field(
        "drop", description="drop rows, or keep them all and note them in the ledger"
    )


class EvalFound(ToolResult):
    """What was found of one evaluation set."""

    items: int
    items_found: int
    rows: int = Field(description="rows of the data that hold one of its items")


class DecontaminateResult(ToolResult):
    """What was found."""

    rows_in: int
    rows_out: int
    contaminated: int
    evals: dict[str, EvalFound] = Field(description="per input role `evals.N`")
    unchecked_items: int = Field(description="items too short to look for: no prompt, an answer of under 8 words")
    alarms: tuple[str, ...] = Field((), description="items so frequent that they may be common text, not leaks")


def check(_params: DecontaminateParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse to run without an evaluation set.

    Raises:
        ParameterError: There is none.
    """
    if not inputs_in(inputs, "evals"):
        raise ParameterError("decontaminate: no evaluation set was given", hint="Give one as input `evals.0`.")


def run(params: DecontaminateParams, ctx: StepContext) -> DecontaminateResult:
    """Find contaminated rows and drop or mark them."""
    data, evals = ctx.data(), inputs_in(ctx.inputs, "evals")
    found = find_contamination(
        data,
        [dataset for _, dataset in evals],
        ctx.engine,
        ngram=params.ngram,
        threshold=params.threshold,
        cancel=ctx.cancel,
    )
    ctx.cancel.check()
    hit = np.flatnonzero(found.item >= 0)
    items: list[str | None] = [None] * found.item.size
    for row in hit.tolist():
        items[row] = found.eval_row_ids[found.item[row]]
    if params.action == "mark" and hit.size:
        ids = [found.row_ids[row].as_py() for row in hit.tolist()]
        values, kept = found.score[hit].tolist(), [items[row] for row in hit.tolist()]
        ctx.writer.ledger(ledger_lines(ids, "mark", RULE_NAME, values, params.threshold, kept))
    keep = found.item < 0 if params.action == "drop" else np.ones(found.item.size, bool)
    ctx.engine.select(data, Decided(keep, RULE_NAME, found.score, params.threshold, items), ctx.writer)
    return DecontaminateResult(
        rows_in=found.item.size,
        rows_out=int(keep.sum()),
        contaminated=hit.size,
        evals=_by_eval(found, evals),
        unchecked_items=found.unchecked,
        alarms=_alarms(found),
    )


def _by_eval(found: Contamination, evals: list[tuple[str, Dataset]]) -> dict[str, EvalFound]:
    sets, start = {}, 0
    for role, dataset in evals:
        here = found.item[(found.item >= start) & (found.item < start + dataset.rows)]
        sets[role] = EvalFound(items=dataset.rows, items_found=np.unique(here).size, rows=here.size)
        start += dataset.rows
    return sets


def _alarms(found: Contamination) -> tuple[str, ...]:
    """Items that stand in over 1 % of the rows, and at least 20: more likely common text than a leak."""
    items, rows = np.unique(found.item[found.item >= 0], return_counts=True)
    common = np.flatnonzero(rows >= max(_COMMON_ROWS, 0.01 * found.item.size))
    worst = common[np.argsort(-rows[common], kind="stable")][:20]
    return tuple(f"{found.eval_row_ids[items[at]]}: in {rows[at]} rows" for at in worst.tolist())


TOOL = Tool(
    name="decontaminate",
    version=1,
    kind="pure",
    params=DecontaminateParams,
    run=run,
    summary="Drop or mark rows that hold an item of an evaluation set, also edited or inside other text.",
    inputs=("data", "evals*"),
    check=check,
)
