"""Commands on runs: run, resume, runs, show, approve, deny, report, recipe, replay."""

from __future__ import annotations

import getpass
import socket
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.options import RunOptions
from corpusmith.agent.understanding.explain import explain
from corpusmith.apps.compose import App, Stop, request_of
from corpusmith.apps.output import boundary, figure, say, show, show_json, table
from corpusmith.core.brief import Brief
from corpusmith.core.errors import ApprovalRequired, ParameterError
from corpusmith.core.settings import load_settings
from corpusmith.engine.runner import Runner
from corpusmith.store.runs import is_held
from corpusmith.tools.registry import TOOLS
from corpusmith.workflows.recipe import load_recipe
from corpusmith.workflows.replay import replay as replay_recipe
from corpusmith.workflows.reporting import write_report


def open_app(workspace: Path | None, as_json: bool) -> App:
    """The workspace of the command."""
    return App.open(load_settings(workspace), quiet=as_json and not sys.stderr.isatty())


def run(request: str, given: dict[str, Any], plan: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith run`."""
    with boundary(as_json):
        options = _options(given)
        if plan:
            _show_plan(request, options, as_json)
            return
        app = open_app(workspace, as_json)
        _finish(app, lambda: app.start(request, options), workspace, as_json)


def resume(run_id: str, changes: dict[str, Any], workspace: Path | None, as_json: bool) -> None:
    """`corpusmith resume`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        kept = {name: value for name, value in changes.items() if value is not None}
        _finish(app, lambda: app.resume(run_id, kept), workspace, as_json)


def _finish(app: App, work: Any, workspace: Path | None, as_json: bool) -> None:
    """Drive a run; on a terminal ask for the approvals it needs; print the outcome and exit with its status."""
    while True:
        try:
            outcome = work()
            break
        except ApprovalRequired as needed:
            action = str(needed.fields["action"])
            if as_json or not sys.stdin.isatty():
                raise
            yes = input(f"{needed.message}. Allow it? [y/N] ").strip().lower() in ("y", "yes")
            run_id = action.split("/", 1)[0]
            app.workspace.approvals.decide(run_id, yes, getpass.getuser(), socket.gethostname(), action)

            def again(run_id: str = run_id) -> dict[str, Any]:
                return app.resume(run_id, {})

            work = again
    if as_json:
        show_json(outcome)
    else:
        print_outcome(outcome, workspace)
    raise SystemExit(outcome["status"])


def _options(given: dict[str, Any]) -> RunOptions:
    try:
        return RunOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise ParameterError(f"--{option}: {first['msg']}", hint="See `corpusmith run --help`.") from error


def _show_plan(request: str, options: RunOptions, as_json: bool) -> None:
    from corpusmith.agent.rules_planner import RulesPlanner

    brief = RulesPlanner().understand(request_of(request, options))
    steps = plan_of(brief)
    if as_json:
        show_json({"status": 0, "brief": brief.model_dump(mode="json"), "plan": steps})
        return
    for line in explain(brief):
        show(line)
    show("\nPlan: read the sources, measure, then until every gate holds:")
    show(
        table(("gate or wish", "methods, in order", "source"), [(s["goal"], s["methods"], s["source"]) for s in steps])
    )
    show("\nNothing was run. Leave out --plan to start.")


def plan_of(brief: Brief) -> list[dict[str, str]]:
    """What may be done for each gate and wish of a brief, as plain rows."""
    from corpusmith.agent.goals import wishes_of

    goals = [(str(gate), gate.metric) for gate in brief.gates] + [(w, f"wish:{w}") for w in wishes_of(brief)]
    rows = []
    for shown, goal in goals:
        found = [m for m in CATALOGUE.values() if goal in m.moves]
        rows.append(
            {
                "goal": shown,
                "methods": ", ".join(m.name for m in found) or "none: it is only measured",
                "source": "; ".join(m.source for m in found),
            }
        )
    return rows


def print_outcome(outcome: dict[str, Any], workspace: Path | None = None) -> None:
    """The end of a run for a person."""
    rows = [
        (
            g["metric"],
            figure(g["before"]),
            f"{g['op']} {g['target']:g}",
            figure(g["value"]),
            ("holds" if g["passed"] else "FAILS") + ("" if g["severity"] == "must" else " (should)"),
        )
        for g in outcome["gates"]
    ]
    show(table(("gate", "before", "target", "after", ""), rows))
    data = outcome["dataset"]
    show()
    splits = ", ".join(f"{name} {count}" for name, count in data["splits"].items())
    show(f"dataset  {data['ref']}: {data['rows']:,} rows{f' ({splits})' if splits else ''}")
    show(f"         {data['path']}")
    for name in ("report", "recipe", "trace"):
        show(f"{name:8} {outcome[name]}")
    if outcome["not_understood"]:
        show(f"\nNot understood: {'; '.join(outcome['not_understood'])}")
    for line in outcome["not_achieved"]:
        show(f"Not achieved: {line}")
    where = f" --workspace {workspace}" if workspace is not None else ""
    show(f"\nnext     corpusmith show {outcome['run_id']}{where}    (what was decided, and why)")


def list_runs(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith runs`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        found = app.workspace.runs.all()
        status = {r.id: _status(app, r.id, r.status) for r in found}
        if as_json:
            show_json({"runs": [{**r.model_dump(exclude={"outcome"}), "status": status[r.id]} for r in found]})
            return
        rows = [
            (r.id, status[r.id], time.strftime("%Y-%m-%d %H:%M", time.localtime(r.started)), r.request[:70])
            for r in found
        ]
        show(table(("run", "status", "started", "request"), rows) if rows else "No runs yet.")


def _status(app: App, run_id: str, status: str) -> str:
    if status == "running" and not is_held(app.workspace.runs.folder(run_id)):
        return "interrupted"
    return status


def show_run(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith show`."""
    from corpusmith.workflows.story import load_story

    with boundary(as_json):
        app = open_app(workspace, as_json)
        story = load_story(app.workspace, run_id)
        status = _status(app, story.run.id, story.run.status)
        waiting = [a for a in app.workspace.approvals.of(story.run.id) if a.state == "asked"]
        if as_json:
            value = story.as_json()
            show_json({**value, "status": status, "waiting": [a.model_dump() for a in waiting]})
            return
        for line in story.lines():
            show(line)
        show(f"status   {status}")
        for question in waiting:
            action = question.id.split("/", 1)[-1]
            show(f"waiting  {action} {question.args}: corpusmith approve {story.run.id} --action {action}")


def answer(run_id: str, granted: bool, action: str | None, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith approve` and `corpusmith deny`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        run = app.workspace.runs.get(run_id)
        decided = app.workspace.approvals.decide(run.id, granted, getpass.getuser(), socket.gethostname(), action)
        if as_json:
            show_json({"status": 0, "action": decided.id, "state": decided.state, "by": decided.by})
        else:
            show(f"{decided.id} {decided.state} by {decided.by}")
            show(f"next     corpusmith resume {run.id}")


def report(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith report`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        run = app.workspace.runs.get(run_id)
        path = app.workspace.runs.folder(run.id) / "report.html"
        write_report(app.workspace, run.id, path)
        if as_json:
            show_json({"status": 0, "report": str(path)})
        else:
            show(str(path))


def recipe(run_id: str, workspace: Path | None) -> None:
    """`corpusmith recipe`."""
    with boundary(False):
        app = open_app(workspace, False)
        run = app.workspace.runs.get(run_id)
        path = app.workspace.runs.folder(run.id) / "recipe.yaml"
        if not path.is_file():
            raise ParameterError(f"run {run.id} has no recipe yet", hint=f"corpusmith resume {run.id}")
        sys.stdout.write(path.read_text(encoding="utf-8"))


def replay(recipe_file: Path, sources: list[str], workspace: Path | None, as_json: bool) -> None:
    """`corpusmith replay`: status 0 when the gates hold, 3 when a must gate does not."""
    with boundary(as_json):
        plan = load_recipe(recipe_file)
        app = open_app(workspace, as_json)
        stop = Stop("replay")
        runner = Runner(app.workspace, app.engine(stop), cancel=stop, emit=app.progress.line)
        absolute = [s if "://" in s else str(Path(s).expanduser().absolute()) for s in sources]
        try:
            with stop.on_signals():
                done = replay_recipe(plan, runner, TOOLS, absolute or None)
        finally:
            runner.engine.close()
        status = 3 if any(not g.passed and g.severity == "must" for g in done.gates) else 0
        if as_json:
            show_json({"status": status, **done.model_dump(mode="json")})
        else:
            rows = [
                (s.name, f"{s.rows_in:,}", f"{s.rows_out:,}", "same" if s.same_digest else "other", s.broken)
                for s in done.steps
            ]
            show(table(("step", "rows in", "rows out", "content", "broken assumption"), rows))
            show(f"\ndataset  {done.dataset} ({'the same content' if done.same else 'other content'} as the recipe's)")
            for line in done.broken:
                show(f"broken   {line}")
        if status:
            say("a must gate does not hold")
        raise SystemExit(status)
