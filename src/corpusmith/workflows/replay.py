"""Replay: run a recipe's steps again, with no planner. Same input gives the same content digests; new input is held
against the recipe's gates, and the step whose assumption broke is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from corpusmith.core.errors import ParameterError, UsageError
from corpusmith.core.gates import GateResult, Metric, Scorecard, Severity, judge
from corpusmith.core.metrics import MADE_OF_DATA, METRICS
from corpusmith.core.tools import Tool
from corpusmith.engine.runner import Runner, StepOutcome, parse_params
from corpusmith.workflows.recipe import Recipe, RecipeStep, Trigger
from corpusmith.workflows.trigger import StartedModel, start

EDITED = "Make it again: corpusmith recipe RUN"
DRIFT = 0.2
"""A step's assumption is broken when the share of its rows that it keeps is this much under what it kept then."""

SIZES = ("rows", "tokens")
"""Gates on how much there is, which no single step is there to reach."""


class ReplayedStep(BaseModel):
    """One step, then and now."""

    model_config = ConfigDict(frozen=True)
    name: str
    artifact: str
    rows_in: int
    rows_out: int
    same_digest: bool
    broken: str = ""


class Replay(BaseModel):
    """What a replay gave. `same` = every step's content digest equals the recipe's."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    same: bool
    steps: tuple[ReplayedStep, ...]
    gates: tuple[GateResult, ...]
    broken: tuple[str, ...]
    model: StartedModel | None = None


def replay(
    recipe: Recipe, runner: Runner, tools: Mapping[str, Tool[Any]], sources: Sequence[str] | None = None
) -> Replay:
    """Run the recipe.

    Args:
        recipe: What to run.
        runner: The door for steps.
        tools: Tools by name.
        sources: New input in place of the recipe's first source list.

    Raises:
        ParameterError: The recipe names a tool that does not exist, or in another version.
        UsageError: A step cannot run on the new input; the message names the step.
    """
    refuse_unknown(recipe, tools)
    done: dict[str, StepOutcome] = {}
    steps = []
    first_ingest = next((s.name for s in recipe.steps if s.tool == "ingest"), None)
    for step in recipe.steps:
        params = dict(step.params)
        if sources and step.name == first_ingest:
            params["sources"] = list(sources)
        try:
            outcome = runner.run_step(
                tools[step.tool], params, {role: done[name].id for role, name in step.inputs.items()}, step.seed
            )
        except UsageError as error:
            raise UsageError(f"step {step.name} cannot run: {error.message}", hint=error.hint) from error
        done[step.name] = outcome
        steps.append(_compare(step, outcome, done))
    result = done[recipe.result]
    baseline = done[first_ingest].id if first_ingest else result.id
    inputs = {"data": result.id, "baseline": baseline, **{role: done[name].id for role, name in recipe.beside.items()}}
    measured = runner.run_step(tools["profile"], recipe.measure, inputs)
    card = Scorecard.model_validate_json(measured.artifact.file("scorecard.json").read_bytes())
    model = None
    if recipe.trigger is not None:
        model, found = _follow(recipe, recipe.trigger, card, runner, tools, {name: o.id for name, o in done.items()})
        card = card.model_copy(update={"metrics": {**card.metrics, **found}})
    gates = tuple(judge(recipe.gates, card))
    broken = [f"{s.name}: {s.broken}" for s in steps if s.broken]
    broken += [_broken_gate(gate, recipe, steps) for gate in gates if not gate.passed]
    return Replay(
        dataset=result.id,
        same=all(s.same_digest for s in steps),
        steps=tuple(steps),
        gates=gates,
        broken=tuple(broken),
        model=model,
    )


def _follow(
    recipe: Recipe,
    trigger: Trigger,
    card: Scorecard,
    runner: Runner,
    tools: Mapping[str, Tool[Any]],
    done: Mapping[str, str],
) -> tuple[StartedModel, dict[str, Metric]]:
    """Start the trigger, unless a must gate of the data does not hold."""
    data_gates = [gate for gate in recipe.gates if METRICS[gate.metric].scope not in MADE_OF_DATA]
    failed = [r for r in judge(data_gates, card) if not r.passed and r.severity is Severity.MUST]
    if failed:
        why = f"the must gate {failed[0].metric} {failed[0].op} {failed[0].target:g} does not hold"
        return StartedModel(started=False, why=why), {}
    return start(trigger, runner, tools, done)


def refuse_unknown(recipe: Recipe, tools: Mapping[str, Tool[Any]]) -> None:
    """Check that every step can be run here.

    Raises:
        ParameterError: The recipe names a tool that does not exist, or in another version, or a step's parameters are
            none of its tool, or an input that no earlier step makes.
    """
    made: set[str] = set()
    for step in (*recipe.steps, *(recipe.trigger.steps if recipe.trigger else ())):
        tool = tools.get(step.tool)
        if tool is None or tool.version != step.version:
            have = "none" if tool is None else f"version {tool.version}"
            raise ParameterError(
                f"step {step.name} needs {step.tool} version {step.version}, here is {have}",
                hint="Replay it with the version of corpusmith that wrote it, or run the request again.",
            )
        parse_params(tool, step.params)
        for name in step.inputs.values():
            if name not in made:
                raise ParameterError(f"step {step.name} needs {name}, which no step before it makes", hint=EDITED)
        made.add(step.name)
    if recipe.result not in made:
        raise ParameterError(f"the recipe's result is {recipe.result!r}, which no step makes", hint=EDITED)
    for name in recipe.beside.values():
        if name not in made:
            raise ParameterError(f"the result is to be held against {name!r}, which no step makes", hint=EDITED)


def _broken_gate(gate: GateResult, recipe: Recipe, steps: Sequence[ReplayedStep]) -> str:
    """A gate that does not hold, and the step whose assumption that breaks."""
    meant = [s.name for s in recipe.steps if s.metric == gate.metric]
    if METRICS[gate.metric].scope == "index":
        who = "the index of this data does not reach it"
    elif METRICS[gate.metric].scope in MADE_OF_DATA:
        who = "the model that was trained on this data does not reach it"
    elif meant:
        who = f"{meant[-1]} was to reach it"
    elif gate.metric in SIZES and steps:
        most = max(steps, key=lambda step: step.rows_in - step.rows_out)
        lost = most.rows_in - most.rows_out
        who = f"{most.name} took most, {lost:,} of {most.rows_in:,} rows" if lost else "the input holds no more"
    else:
        who = "no step of the recipe works on it"
    shown = "not measured" if gate.value is None else f"{gate.value:.4g}"
    return f"gate {gate.metric} {gate.op} {gate.target:g} is {shown}: {who}"


def _compare(step: RecipeStep, outcome: StepOutcome, done: Mapping[str, StepOutcome]) -> ReplayedStep:
    record = outcome.artifact.record
    rows_in = done[step.inputs["data"]].artifact.rows if "data" in step.inputs else record.rows
    same = record.content_digest == step.digest
    broken = ""
    if not same and step.rows_in and rows_in and step.tool not in ("sample", "generate", "format", "ingest"):
        then, now = step.rows_out / step.rows_in, record.rows / rows_in
        if then - now > DRIFT:
            broken = f"kept {then:.0%} of its rows then, {now:.0%} now"
    return ReplayedStep(
        name=step.name,
        artifact=outcome.id,
        rows_in=rows_in,
        rows_out=record.rows,
        same_digest=same,
        broken=broken,
    )
