"""Loopback servers and view makers on the path; a session over a real workspace; views for planner tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from corpusmith.agent.conclude import conclude
from corpusmith.agent.execute import execute
from corpusmith.agent.goals import open_goals
from corpusmith.agent.planner import View
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.agent.session import Session
from corpusmith.core.brief import Brief, Request
from corpusmith.core.gates import Metric, Scorecard
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog
from corpusmith.store.workspace import Workspace
from corpusmith.tools.registry import TOOLS

sys.path.extend([str(Path(__file__).parents[1] / "servers"), str(Path(__file__).parent)])


def scorecard(**values: float) -> Scorecard:
    return Scorecard(metrics={name: Metric(value=value, n=100) for name, value in values.items()})


@pytest.fixture
def make_view() -> Callable[..., View]:
    """`make_view(brief, {metric: value}, attempts=(), trials=function of method and params)`."""

    def make(
        brief: Brief,
        values: Mapping[str, float],
        *,
        attempts: tuple[Any, ...] = (),
        served: tuple[str, ...] = (),
        shape: Shape = Shape.TEXT,
        trials: Callable[[str, Mapping[str, Any]], Mapping[str, float] | None] | None = None,
        has_evals: bool = False,
    ) -> View:
        card = scorecard(**values)
        return View(
            brief=brief,
            card=card,
            start=card,
            goals=tuple(open_goals(brief, card, served, shape)),
            attempts=attempts,
            shape=shape,
            rows=1000,
            data="d" * 32,
            served=tuple(f"wish:{name}" for name in served),
            has_evals=has_evals,
            turns_left=10,
            try_on_sample=trials or (lambda _name, _params: {"sample_retention": 1.0}),
            sample_rows=400,
        )

    return make


@pytest.fixture
def run_request(tmp_path: Path) -> Any:
    """`run_request(text, rows, planner=None, brief={}, run_id="r-1") -> (outcome, session)` over a JSONL source."""
    opened: list[Session] = []

    def run(
        text: str, rows: list[Any], planner: Any = None, brief: Mapping[str, Any] | None = None, run_id: str = "r-1"
    ) -> tuple[dict[str, Any], Session]:
        source = tmp_path / "rows.jsonl"
        lines = [json.dumps(r if isinstance(r, dict) else {"text": r}) for r in rows]
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        workspace = Workspace.open(tmp_path / "ws")
        folder = workspace.runs.folder(run_id)
        log = EventLog(folder, run_id)
        if all(run.id != run_id for run in workspace.runs.all()):
            workspace.runs.create(run_id, text, {})
        request = Request(text=text, sources=(str(source),), seed=3)
        session = Session(
            request=request,
            runner=Runner(workspace, LocalEngine(), run_id, log, BudgetAccount(workspace.database, run_id, {})),
            log=log,
            planner=planner or RulesPlanner(),
            fallback=RulesPlanner(),
            tools=TOOLS,
            conclude=conclude,
            overrides=brief or {},
        )
        opened.append(session)
        return execute(session, folder), session

    yield run
    for session in opened:
        session.runner.workspace.close()
