"""Commands that drive work: run (and its --plan), resume, replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpusmith import sources
from corpusmith.agent.goals import wishes_of
from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.modelling.moves import MOVES
from corpusmith.agent.options import RunOptions
from corpusmith.agent.understanding.explain import explain
from corpusmith.apps.approving import ask_on_terminal
from corpusmith.apps.boundary import boundary, with_workspace
from corpusmith.apps.compose import App, absolute, brief_of, request_of
from corpusmith.apps.output import figure, show, show_json, table
from corpusmith.apps.preflight import refuse_early
from corpusmith.apps.stopping import Stop
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.brief import Brief
from corpusmith.core.errors import BudgetExceeded, ParameterError
from corpusmith.core.metrics import METRICS
from corpusmith.core.settings import load_settings
from corpusmith.tools.registry import TOOLS
from corpusmith.workflows.recipe import load_recipe
from corpusmith.workflows.replay import Replay, refuse_unknown
from corpusmith.workflows.replay import replay as replay_recipe
from corpusmith.workflows.story import load_story
from corpusmith.workflows.trigger import StartedModel

OTHER_ENGINES = ("ray",)
"""Engines that a later version brings."""


def run(request: str, given: dict[str, Any], plan: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith run`."""
    with boundary(as_json, workspace):
        options = options_of(given)
        if plan:
            show_plan(request, options, as_json)
            return
        settings = load_settings(workspace)
        refuse_early(brief_of(request_of(request, options), options), options, settings)
        app = App.open(settings)
        _finish(app, lambda: app.start(request, options), workspace, as_json)


def resume(run_id: str, changes: dict[str, Any], workspace: Path | None, as_json: bool) -> None:
    """`corpusmith resume`."""
    with boundary(as_json, workspace):
        kept = {name: value for name, value in changes.items() if value is not None}
        options_of(kept)
        open_existing(workspace).close()
        app = App.open(load_settings(workspace))
        _finish(app, lambda: app.resume(run_id, kept), workspace, as_json)


def _finish(app: App, work: Callable[[], dict[str, Any]], workspace: Path | None, as_json: bool) -> None:
    """Drive a run to its end; print the outcome and exit with its status."""
    outcome = ask_on_terminal(app.workspace.approvals, work, lambda run_id: app.resume(run_id, {}), as_json)
    if as_json:
        story = load_story(app.workspace, outcome["run_id"])
        decisions = [decision.model_dump(mode="json", exclude={"options", "saw"}) for decision in story.decisions]
        show_json({**outcome, "decisions": decisions})
    else:
        print_outcome(outcome, workspace)
    raise SystemExit(outcome["status"])


def options_of(given: dict[str, Any]) -> RunOptions:
    """The options of the command line, checked.

    Raises:
        ParameterError: One is out of bounds; the message names it and what it may be.
    """
    if given.get("engine") in OTHER_ENGINES:
        raise ParameterError(
            f"--engine {given['engine']} is not in this version", hint="Leave it out, or give --engine local."
        )
    try:
        return RunOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise ParameterError(
            f"--{option} {first['input']}: {first['msg'].lower()}", hint="See `corpusmith run --help`."
        ) from error


def show_plan(request: str, options: RunOptions, as_json: bool) -> None:
    """Show the brief and what may be done for each gate and wish; run nothing."""
    brief = brief_of(request_of(request, options), options)
    steps = plan_of(brief)
    if as_json:
        not_understood = list(brief.not_understood)
        show_json(
            {"status": 0, "brief": brief.model_dump(mode="json"), "not_understood": not_understood, "plan": steps}
        )
        return
    for line in explain(brief):
        show(line)
    show("\nPlan: read the sources, measure, then until every gate holds:\n")
    show(
        table(("gate or wish", "methods, in order", "source"), [(s["goal"], s["methods"], s["source"]) for s in steps])
    )
    show("\nNothing was run. Leave out --plan to start.")


_MEASURED_BY = {
    "ablation": ("ablation of the data", "FW, one recipe on two sets"),
    "index": ("index of the documents", "questions made from the documents themselves"),
}
"""Scope of a metric to what is made to measure it, and its source."""


def plan_of(brief: Brief) -> list[dict[str, str]]:
    """What may be done for each gate and wish of a brief, as plain rows."""
    goals = [(str(gate), gate.metric) for gate in brief.gates] + [(w, f"wish:{w}") for w in wishes_of(brief)]
    rows = []
    for shown, goal in goals:
        scope = METRICS[goal].scope if goal in METRICS else ""
        if scope in _MEASURED_BY:
            methods, source = _MEASURED_BY[scope]
            rows.append({"goal": shown, "methods": methods, "source": source})
            continue
        found = list(MOVES.values()) if scope == "model" else [m for m in CATALOGUE.values() if goal in m.moves]
        methods = ", ".join(m.name for m in found) or "none: it is only measured"
        rows.append({"goal": shown, "methods": methods, "source": "; ".join(dict.fromkeys(m.source for m in found))})
    return rows


def print_outcome(outcome: dict[str, Any], workspace: Path | None = None) -> None:
    """The end of a run for a person."""
    rows = [
        (
            g["metric"],
            figure(g["before"]),
            f"{g['op']} {g['target']:g}",
            figure(g["value"]),
            _verdict(g["passed"], g["severity"]),
        )
        for g in outcome["gates"]
    ]
    show(table(("gate", "before", "target", "after", ""), rows))
    data = outcome["dataset"]
    show()
    splits = ", ".join(f"{name} {count:,}" for name, count in data["splits"].items())
    show(f"dataset  {data['ref']}: {data['rows']:,} rows{f' ({splits})' if splits else ''}")
    show(f"         {data['path']}")
    if outcome.get("model"):
        _print_model(outcome["model"])
    for name in ("report", "recipe", "trace"):
        show(f"{name:8} {outcome[name]}")
    if outcome["not_understood"]:
        show(f"\nNot understood: {'; '.join(outcome['not_understood'])}")
    for line in outcome["not_achieved"]:
        show(f"Not achieved: {line}")
    show()
    run_id = outcome["run_id"]
    if outcome["status"] == BudgetExceeded.exit_status:
        show(f"next     {with_workspace(f'corpusmith resume {run_id} --max-minutes N', workspace)}")
    told = with_workspace(f"corpusmith show {run_id}", workspace)
    show(f"next     {told}    (what was decided, and why)")
    if outcome.get("model", {}).get("ref"):
        shown = with_workspace(f"corpusmith model show {outcome['model']['ref']}", workspace)
        show(f"next     {shown}    (its evaluations, its gates, who moved it)")
    if outcome.get("model", {}).get("index"):
        asked = with_workspace(f'corpusmith ask {outcome["model"]["index"][:12]} "YOUR QUESTION"', workspace)
        show(f"next     {asked}    (passages, with the rows they are from)")


def _verdict(passed: bool, severity: str) -> str:
    return ("holds" if passed else "FAILS") + ("" if severity == "must" else " (should)")


def _print_model(model: dict[str, Any]) -> None:
    """The model of a run for a person: what it is, how it did, what else was tried."""
    if model.get("ref"):
        standing = {True: "champion", False: "candidate, not promoted", None: "candidate"}[model["promoted"]]
        show(f"model    {model['ref']} ({standing}), {model['kind']} on {model['base']}")
        show(f"         {model['path']}")
    for line in (model["first_line"], model["ablation_line"]):
        if line:
            show(f"         {line}")
    answers = model.get("answers")
    if answers:
        show(f"answers  {answers['ref']}: {answers['rows']:,} rows, `corpusmith data export {answers['ref']} --to DIR`")
    if model["index"]:
        show(f"index    {model['index_line']}")
    if model["endpoint"]:
        show(f"live     {model['endpoint']}, until `corpusmith endpoint stop {model['endpoint_name']}`")
    for address in model["published"]:
        show(f"hub      {address}")
    if len(model["trials"]) > 1:
        rows = [_trial_row(trial) for trial in model["trials"]]
        show()
        show(
            table(("trial", "setting", "measured", "gain at least", "context", "tokens/s", "seconds", "cost", ""), rows)
        )
        show()


def _trial_row(trial: dict[str, Any]) -> tuple[str, ...]:
    measured = trial["problem"] or (f"{trial['primary']} {figure(trial['value'])}" if trial["primary"] else "-")
    speed = f"{trial['tokens_per_s']:,.0f}" if trial["tokens_per_s"] else "-"
    cost = "-" if trial["usd"] is None else f"${trial['usd']:.2f}"
    gain = "-" if trial["gain_low"] is None else f"{trial['gain_low']:+.4f}"
    context = "-" if trial["context_length"] is None else f"{trial['context_length']:,}"
    chosen = "chosen" if trial["chosen"] else ""
    seconds = f"{trial['seconds']:.0f}"
    return (trial["decision"], trial["setting"], measured, gain, context, speed, seconds, cost, chosen)


def replay(recipe_file: Path, given: list[str], workspace: Path | None, as_json: bool) -> None:
    """`corpusmith replay`: status 0 when the gates hold, 3 when a must gate does not."""
    with boundary(as_json, workspace):
        plan = load_recipe(recipe_file)
        refuse_unknown(plan, TOOLS)
        read = [absolute(source) for source in given]
        sources.open_sources(read or plan.sources)
        app = App.open(load_settings(workspace))
        again = f"corpusmith replay {recipe_file}" + "".join(f" --source {source}" for source in given)
        stop = Stop("the replay", again)
        runner = app.runner(stop)
        try:
            with stop.on_signals():
                done = replay_recipe(plan, runner, TOOLS, read or None)
        finally:
            runner.engine.close()
        status = 3 if any(not g.passed and g.severity == "must" for g in done.gates) else 0
        path = str(app.workspace.artifacts.open(done.dataset).folder)
        if as_json:
            show_json({"status": status, **done.model_dump(mode="json"), "path": path})
        else:
            _print_replay(done, path)
        raise SystemExit(status)


def _print_replay(done: Replay, path: str) -> None:
    rows = [(s.name, f"{s.rows_in:,}", f"{s.rows_out:,}", "same" if s.same_digest else "other") for s in done.steps]
    show(table(("step", "rows in", "rows out", "content"), rows))
    show()
    gates = [(g.metric, f"{g.op} {g.target:g}", figure(g.value), _verdict(g.passed, g.severity)) for g in done.gates]
    show(table(("gate", "target", "value", ""), gates))
    show(f"\ndataset  {done.dataset} ({'the same content as' if done.same else 'other content than'} the recipe's)")
    show(f"         {path}")
    if done.model is not None:
        _print_started(done.model)
    for line in done.broken:
        show(f"broken   {line}")


def _print_started(model: StartedModel) -> None:
    """What the new version of the dataset started."""
    if not model.started:
        show(f"model    no training was started: {model.why}")
        return
    standing = {True: "champion", False: "candidate, not promoted", None: "candidate"}[model.promoted]
    if model.index is not None:
        show(f"index    {model.index}")
    if model.ref or model.why or model.index is None:
        show(f"model    {model.ref} ({standing})" if model.ref else f"model    none: {model.why}")
    for line in (*model.lines, *(f"not promoted: {why}" for why in model.refused)):
        show(f"         {line}")
