"""Sends decision logs to Opik; a server that is away or refuses is said, and never ends a run."""

from __future__ import annotations

from collections.abc import Sequence

from corpusmith.core.settings import Settings
from corpusmith.evals.suite import SuiteRow
from corpusmith.ops.pii import mask
from corpusmith.prompts.library import prompt_texts
from corpusmith.store.eventlog import LOG_NAME
from corpusmith.store.workspace import Workspace
from corpusmith.telemetry.call_export import export_calls
from corpusmith.telemetry.opik_evaluation import EvaluatedCase, Evaluation, export_evaluation
from corpusmith.telemetry.opik_export import export_run, run_trace_id
from corpusmith.telemetry.opik_settings import opik_settings


def export_traces(settings: Settings, workspace: Workspace, run_id: str) -> list[str]:
    """Send what the server has not acknowledged of one run's log; returns lines that say what came of it."""
    folder = workspace.runs.folder(run_id)
    sent = export_run(
        folder / LOG_NAME,
        folder / "opik.cursor.json",
        opik_settings(settings),
        prompts=prompt_texts(),
        redact=lambda text: mask(text)[0],
    )
    line = f"opik: {sent.exported} records of {run_id} sent"
    if sent.pending:
        line += f", {sent.pending} wait for `corpusmith trace export {run_id}` ({sent.error})"
    return [line]


def export_served_calls(settings: Settings, workspace: Workspace) -> list[str]:
    """Send the calls of served models that wait in the workspace; a line for each endpoint that had any."""
    lines = []
    for folder in sorted((workspace.root / "serving").glob("*/calls")):
        sent = export_calls(folder, opik_settings(settings), redact=lambda text: mask(text)[0])
        if sent.exported or sent.pending:
            line = f"opik: {sent.exported} calls of the endpoint {folder.parent.name} sent"
            lines.append(line if not sent.pending else f"{line}, {sent.pending} wait ({sent.error})")
    return lines


def export_suite(settings: Settings, rows: Sequence[SuiteRow], began: float) -> list[str]:
    """Send a run of the evaluation suite: one experiment per planner over one dataset of cases, for review in Opik.

    Each case points at the trace of the run that answered it.
    """
    told = []
    for planner in sorted({row.planner for row in rows}):
        cases = []
        for row in (r for r in rows if r.planner == planner):
            log = row.workspace / "runs" / row.run_id / LOG_NAME
            export_run(log, log.with_name("opik.cursor.json"), opik_settings(settings), prompts=prompt_texts())
            cases.append(
                EvaluatedCase(
                    id=row.profile,
                    input={"corpus": row.profile},
                    output={"path": list(row.path), "rolled_back": row.rolled_back, "status": row.status},
                    scores={"overall": row.overall, **row.score.headline()},
                    trace_id=run_trace_id(log, opik_settings(settings)),
                )
            )
        evaluation = Evaluation(
            id=f"{planner}-{int(began)}", dataset="corpusmith suite", name=f"suite, {planner}", time=began, cases=cases
        )
        sent = export_evaluation(evaluation, opik_settings(settings))
        trouble = f" ({sent.error})" if sent.error else ""
        told.append(f"opik: {sent.exported} cases of the {planner} planner sent{trouble}")
    return told
