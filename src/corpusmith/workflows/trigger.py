"""What a new version of a dataset starts by itself: the training and the index of the run, as a part of its recipe.

A replay that made a dataset whose must gates hold trains on it, judges the model beside the champion of that moment,
registers it, and promotes it where the run was asked to. Steps that were done before are found by their identity, so a
replay on the same input starts nothing anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import UsageError, WorkspaceError
from corpusmith.core.gates import Metric
from corpusmith.core.tools import Tool
from corpusmith.engine.runner import Runner
from corpusmith.store.model_evidence import manifest_of, read_scorecard
from corpusmith.store.registry import ModelRegistry
from corpusmith.workflows.recipe import Trigger

SCORECARD = "scorecard.json"
JUDGES = ("evaluate", "ablate", "index")
"""Tools whose scorecards the gates are held against."""


class StartedModel(BaseModel):
    """What a trigger did."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    started: bool
    why: str = Field("", description="why it was not started, or not to its end")
    ref: str | None = None
    artifact: str | None = None
    index: str | None = None
    promoted: bool | None = Field(None, description="None = not asked for")
    refused: tuple[str, ...] = ()
    lines: tuple[str, ...] = Field((), description="what the evaluations say first")


def start(
    trigger: Trigger, runner: Runner, tools: Mapping[str, Tool[Any]], done: Mapping[str, str]
) -> tuple[StartedModel, dict[str, Metric]]:
    """Run the steps of a trigger.

    Args:
        trigger: From the recipe.
        runner: The door for steps.
        tools: Tools by name.
        done: Artifact id per step of the recipe that was replayed.

    Returns:
        What came of it, and every metric that it measured.

    Raises:
        BudgetExceeded, ApprovalRequired, Cancelled: As any step.
        WorkspaceError: The workspace cannot be written.
    """
    registry = runner.services.get("registry")
    ids = dict(done)
    found: dict[str, Metric] = {}
    lines = []
    said = StartedModel(started=True)
    try:
        for step in trigger.steps:
            inputs = {role: ids[name] for role, name in step.inputs.items()}
            if step.name == trigger.evaluation and trigger.model and isinstance(registry, ModelRegistry):
                inputs |= champion_roles(registry, trigger.name, ids[trigger.model])
            outcome = runner.run_step(tools[step.tool], step.params, inputs, step.seed)
            ids[step.name] = outcome.id
            lines += [str(outcome.result["first_line"])] if outcome.result.get("first_line") else []
            if SCORECARD in outcome.artifact.record.files and step.tool in JUDGES:
                found |= read_scorecard(outcome.artifact.file(SCORECARD)).metrics
        said = said.model_copy(update={"lines": tuple(lines)})
        if trigger.index is not None:
            said = said.model_copy(update={"index": ids[trigger.index]})
        if trigger.model is not None and isinstance(registry, ModelRegistry):
            said = said.model_copy(update={"artifact": ids[trigger.model]})
            said = _settle(trigger, runner, tools, registry, ids, said)
    except WorkspaceError:
        raise
    except UsageError as error:
        said = said.model_copy(update={"why": error.message, "lines": tuple(lines)})
    return said, found


def champion_roles(registry: ModelRegistry, name: str, model: str) -> dict[str, str]:
    """The champion of now in its roles of `evaluate`; empty where there is none or it is this very model."""
    if registry.aliases(name).champion is None:
        return {}
    champion = registry.resolve(f"{name}@champion")
    if champion.artifact == model or champion.digest == manifest_of(registry.artifacts.open(model)).digest:
        return {}
    return {"champion": champion.artifact} | ({"champion_base": champion.base} if champion.base else {})


def _settle(
    trigger: Trigger,
    runner: Runner,
    tools: Mapping[str, Tool[Any]],
    registry: ModelRegistry,
    ids: Mapping[str, str],
    said: StartedModel,
) -> StartedModel:
    """Register the model; promote it where that was asked for."""
    model = str(said.artifact)
    version = registry.register(trigger.name, model, "a new version of its dataset")
    said = said.model_copy(update={"ref": version.ref})
    if not trigger.promote or trigger.evaluation is None:
        return said
    roles = {"model": model, "evaluation": ids[trigger.evaluation]}
    params = {
        "name": trigger.name,
        "gates": [gate.model_dump(mode="json") for gate in trigger.gates],
        "why": "a new version of its dataset",
    }
    result = runner.run_step(tools["promote"], params, roles).artifact.record.result
    promoted = bool(result["promoted"] or result["already"])
    return said.model_copy(update={"promoted": promoted, "refused": tuple(result["failed"])})
