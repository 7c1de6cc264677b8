"""`corpusmith eval`: the suite that judges the agent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from corpusmith.agent.options import RunOptions
from corpusmith.agent.planner import Planner
from corpusmith.apps.boundary import boundary
from corpusmith.apps.compose import App
from corpusmith.apps.output import say, show, show_json, table
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import load_settings
from corpusmith.evals.planting.truth import PlantedTruth
from corpusmith.evals.suite import HEAD, run_suite


def run(out: Path, rows: int, seed: int, as_json: bool) -> None:
    """Run the suite and print its table."""
    with boundary(as_json):
        if out.exists():
            raise ParameterError(f"{out} exists already", hint="Name a folder that does not exist with --out.")
        began, settings = time.time(), load_settings()
        found = run_suite(out, run_once, seed=seed, rows=rows)
        if settings.opik_url is not None:
            from corpusmith.apps.tracing import export_suite

            for line in export_suite(settings, found, began):
                say(line)
        if as_json:
            show_json({"status": 0, "rows": [dict(zip(HEAD, row.cells(), strict=True)) for row in found]})
        else:
            show(table(HEAD, [row.cells() for row in found]))


def run_once(planner: Planner, truth: PlantedTruth, workspace: Path) -> dict[str, Any]:
    """Run one planner on a planted corpus."""
    app = App.open(load_settings(workspace), quiet=True)
    app.chosen_planner = planner
    try:
        return app.start(truth.request, RunOptions(sources=(str(truth.corpus),), seed=truth.seed))
    finally:
        app.workspace.close()
