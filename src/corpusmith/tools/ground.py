"""The `ground` tool: find the answers that the documents they should come from do not support, drop or mark their rows.

The rule is `ops.grounding`. Dropped or marked, each such row has a ledger line with the share of its answer that was
found and the nearest document; `grounding.parquet` has a line for every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.rows import ROW_ID, Shape
from corpusmith.core.tools import Dataset, Decided, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.grounding import THRESHOLD, Grounding, find_grounding
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.tools.inputs import inputs_in

RULE_NAME = "ungrounded"
SIDE_FILE = "grounding.parquet"


class GroundParams(ToolParams):
    """How much of an answer must be found, and what becomes of the others."""

    threshold: float = Field(
        THRESHOLD, gt=0, le=1, description="least share of an answer's words and word pairs, weighted by how telling "
        "they are, found in one window of a document or in the row's own input"
    )  # fmt: skip
    action: Literal["drop", "mark"] = Field("drop", description="drop rows, or keep all and note them in the ledger")


class GroundResult(ToolResult):
    """What was found."""

    rows_in: int
    rows_out: int
    documents: int
    ungrounded: int = Field(description="answers that the documents do not support")
    too_short: int = Field(description="answers of too few words to be judged; they stay")
    median_score: float | None = Field(description="median share found of an answer; null = none was judged")


def check(_params: GroundParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what cannot be judged, before anything is written.

    Raises:
        ParameterError: No documents were given.
        PreconditionError: The rows are plain texts, with no answers in them.
    """
    if not inputs_in(inputs, "docs"):
        raise ParameterError(
            "ground: no documents were given", hint="Give them as inputs `docs.0`, `docs.1` and so on."
        )
    if inputs["data"].shape is Shape.TEXT:
        raise PreconditionError("ground: plain texts have no answers to judge", hint="Give instruction rows.")


def run(params: GroundParams, ctx: StepContext) -> GroundResult:
    """Find ungrounded answers and drop or mark their rows."""
    data = ctx.data()
    documents = [dataset for _, dataset in inputs_in(ctx.inputs, "docs")]
    found = find_grounding(data, documents, ctx.engine, threshold=params.threshold, cancel=ctx.cancel)
    ctx.cancel.check()
    _write_scores(found, ctx)
    hit, nearest = found.ungrounded, found.nearest
    if params.action == "mark" and hit.any():
        rows = np.flatnonzero(hit)
        ids = found.row_ids.take(pa.array(rows)).to_pylist()
        near = [nearest[row] for row in rows.tolist()]
        ctx.writer.ledger(ledger_lines(ids, "mark", RULE_NAME, found.score[rows].tolist(), params.threshold, near))
    keep = ~hit if params.action == "drop" else np.ones(hit.size, bool)
    ctx.engine.select(data, Decided(keep, RULE_NAME, found.score, params.threshold, nearest), ctx.writer)
    judged = found.score[found.judged]
    return GroundResult(
        rows_in=hit.size,
        rows_out=int(keep.sum()),
        documents=len(found.document_ids),
        ungrounded=int(hit.sum()),
        too_short=int((~found.judged).sum()),
        median_score=round(float(np.median(judged)), 6) if judged.size else None,
    )


def _write_scores(found: Grounding, ctx: StepContext) -> None:
    columns = {
        ROW_ID: found.row_ids,
        "grounded": pa.array(found.score, from_pandas=True),
        "document": pa.array(found.nearest, pa.large_string()),
    }
    pq.write_table(pa.table(columns), ctx.writer.path(SIDE_FILE), compression="zstd")


TOOL = Tool(
    name="ground",
    version=1,
    kind="pure",
    params=GroundParams,
    run=run,
    summary="Drop or mark rows whose answer the documents it should come from do not support.",
    inputs=("data", "docs*"),
    check=check,
)
