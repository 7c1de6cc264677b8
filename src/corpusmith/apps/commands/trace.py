"""`corpusmith trace export`: send decision logs, and calls of served models, to an Opik server."""

from __future__ import annotations

from pathlib import Path

from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import show, show_json
from corpusmith.apps.tracing import export_served_calls, export_traces
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import load_settings


def export(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """Export one run's log, or all and what was served."""
    with boundary(as_json, workspace):
        opened, settings = open_existing(workspace), load_settings(workspace)
        if settings.opik_url is None:
            raise ParameterError("no Opik server is configured", hint="Set OPIK_URL_OVERRIDE=http://HOST:PORT/api")
        runs = opened.runs
        ids = [run.id for run in runs.all()] if run_id == "all" else [runs.get(run_id).id]
        lines = [line for each in ids for line in export_traces(settings, opened, each)]
        if run_id == "all":
            lines += export_served_calls(settings, opened)
        if as_json:
            show_json({"status": 0, "runs": ids, "lines": lines})
        else:
            for line in lines:
                show(line)
