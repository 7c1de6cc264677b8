"""Holds a finished run against the truth that was planted into its corpus."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from corpusmith.core.rows import LEDGER_SCHEMA, META, ROW_ID, TEXT
from corpusmith.evals.planting.truth import PlantedTruth
from corpusmith.evals.truth import TruthScore, score
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.history import lineage


def score_run(truth: PlantedTruth, workspace: Path, run_id: str) -> TruthScore:
    """Score the result of a run.

    The rows judged are those the curation kept before rows were drawn to size; texts are those of the result where
    the row was drawn, else of the last step before the draw.
    """
    opened = Workspace.open(workspace)
    try:
        path = lineage(opened, opened.resolve(run_id))
        before_draw = next((d for d, after in pairwise(path) if after.record.tool == "sample"), None)
        last = before_draw or path[-1]
        kept = {}
        for batch in last.batches(columns=[ROW_ID, TEXT, META]):
            for row in batch.to_pylist():
                kept[row[ROW_ID]] = f"{row[TEXT]}\n{row[META]}"
        original = {}
        for batch in path[0].batches(columns=[ROW_ID, TEXT]):
            original |= dict(zip(batch.column(ROW_ID).to_pylist(), batch.column(TEXT).to_pylist(), strict=True))
        ledger = pa.concat_tables([LEDGER_SCHEMA.empty_table(), *(data.ledger() for data in path)])
        return score(truth, kept, original, ledger)
    finally:
        opened.close()
