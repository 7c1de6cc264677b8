"""Holds a finished run against the truth that was planted into its corpus."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from corpusmith.core.rows import LEDGER_SCHEMA, META, ROW_ID, TEXT
from corpusmith.evals.planting.truth import PlantedTruth
from corpusmith.evals.truth import score
from corpusmith.evals.truth_score import TruthScore
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.eventlog import LOG_NAME
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.history import lineage


def score_run(truth: PlantedTruth, workspace: Path, run_id: str) -> TruthScore:
    """Score the result of a run.

    The rows judged are those the curation kept before rows were drawn to size; texts are those of the last
    step before the draw.
    """
    opened = Workspace.open(workspace)
    try:
        path = lineage(opened, opened.resolve(run_id))
        before_draw = next((d for d, after in pairwise(path) if after.record.tool == "sample"), None)
        last = before_draw or path[-1]
        kept, meta = _column(last, TEXT), _column(last, META)
        original = _column(path[0], TEXT)
        ledger = pa.concat_tables([LEDGER_SCHEMA.empty_table(), *(data.ledger() for data in path)])
        run = opened.runs.get(run_id)
        trace = (opened.runs.folder(run.id) / LOG_NAME).read_text(encoding="utf-8")
        return score(truth, kept, ledger, original=original, meta=meta, trace=trace)
    finally:
        opened.close()


def _column(data: StoredDataset, name: str) -> dict[str, str]:
    """A column's values by row id; missing values as empty text."""
    out: dict[str, str] = {}
    for batch in data.batches(columns=[ROW_ID, name]):
        values = (value or "" for value in batch.column(name).to_pylist())
        out |= dict(zip(batch.column(ROW_ID).to_pylist(), values, strict=True))
    return out
