"""Sends decision logs to Opik; a server that is away or refuses is said, and never ends a run."""

from __future__ import annotations

from corpusmith.core.settings import Settings
from corpusmith.ops.pii import mask
from corpusmith.prompts.library import prompt_texts
from corpusmith.store.eventlog import LOG_NAME
from corpusmith.store.workspace import Workspace
from corpusmith.telemetry.opik_export import export_run
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
