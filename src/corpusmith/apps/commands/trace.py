"""`corpusmith trace export`: send decision logs to an Opik server."""

from __future__ import annotations

from pathlib import Path

from corpusmith.apps.commands.runs import open_app
from corpusmith.apps.output import boundary, show, show_json
from corpusmith.apps.tracing import export_traces
from corpusmith.core.errors import ParameterError


def export(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """Export one run's log, or all."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        if app.settings.opik_url is None:
            raise ParameterError("no Opik server is configured", hint="Set OPIK_URL_OVERRIDE=http://HOST:PORT/api")
        runs = app.workspace.runs
        ids = [run.id for run in runs.all()] if run_id == "all" else [runs.get(run_id).id]
        lines = [line for each in ids for line in export_traces(app, each)]
        if as_json:
            show_json({"status": 0, "runs": ids, "lines": lines})
        else:
            for line in lines:
                show(line)
