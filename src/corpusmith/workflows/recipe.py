"""A recipe: a finished run as a plain file of steps that replays with no planner and no model.

Steps are listed in order, inputs by the name of an earlier step, with what each was for and what it left then (rows,
content digest), so that a replay can compare, and on new data say which step's assumption broke.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpusmith.core.errors import ParameterError
from corpusmith.core.gates import Gate
from corpusmith.core.metrics import METRICS
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.records import ArtifactRecord

OF_THE_MOMENT = ("champion", "champion_base")
"""Roles that a replay fills with what is there then."""


class RecipeStep(BaseModel):
    """One step of a recipe.

    `rows_in` and `rows_out` are those of the run it was made from; `metric` is the gate it was chosen for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    tool: str
    version: int
    params: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    metric: str | None = None
    why: str = ""
    rows_in: int = 0
    rows_out: int = 0
    digest: str | None = None


class Trigger(BaseModel):
    """What a new version of the result starts by itself (`workflows.trigger`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="name of the model in the registry")
    steps: tuple[RecipeStep, ...] = Field(
        description="base, train, evaluate, ablate, index; inputs may be steps of the recipe"
    )
    model: str | None = Field(None, description="name of the step that makes the model")
    index: str | None = Field(None, description="name of the step that makes the index")
    evaluation: str | None = Field(None, description="name of the step that judges it")
    promote: bool = Field(False, description="make it the champion when its gates hold")
    gates: tuple[Gate, ...] = Field((), description="floors of the promotion")


class Recipe(BaseModel):
    """A replayable run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    corpusmith_recipe: Literal[1] = 1
    request: str
    sources: tuple[str, ...]
    seed: int
    gates: tuple[Gate, ...]
    measure: dict[str, Any] = Field(default_factory=dict, description="parameters of the profile that judges the gates")
    beside: dict[str, str] = Field(
        default_factory=dict, description="what that profile holds the result against: role -> name of a step"
    )
    steps: tuple[RecipeStep, ...]
    result: str = Field(description="name of the step whose dataset is the result")
    trigger: Trigger | None = Field(None, description="what a new version of the result starts by itself")


@dataclass(frozen=True)
class TriggerPlan:
    """Artifacts that the run made of its dataset, from which the recipe's trigger is made.

    Attributes:
        name: Of the model in the registry.
        model: The trained model, if there is one.
        evaluation: The report that judged it.
        ablation: The report on what curating brought.
        index: The index of the documents.
        promote: Whether its promotion was asked for.
    """

    name: str
    model: str | None = None
    evaluation: str | None = None
    ablation: str | None = None
    index: str | None = None
    promote: bool = False


def build_recipe(
    store: ArtifactStore,
    result: str,
    *,
    request: str,
    gates: tuple[Gate, ...],
    measure: dict[str, Any],
    seed: int,
    reasons: dict[str, tuple[str, str]],
    then: TriggerPlan | None = None,
    beside: Mapping[str, str] | None = None,
) -> Recipe:
    """The recipe that made the artifact `result`.

    Args:
        store: Where the records are.
        result: Artifact id.
        request: The sentence it came from.
        gates: The brief's gates.
        measure: Parameters of the profile that judged them.
        seed: The run's seed.
        reasons: Per artifact id, the metric its step was chosen for and why.
        then: What was made of the result, if anything was.
        beside: Evaluation sets and documents that the result was held against: role -> artifact id.
    """
    records: dict[str, ArtifactRecord] = {}

    def visit(artifact: str) -> None:
        if artifact in records:
            return
        record = store.open(artifact).record
        for role, parent in record.inputs.items():
            if role not in OF_THE_MOMENT:
                visit(parent)
        records[artifact] = record

    for root in (result, *(beside or {}).values()):
        visit(root)
    count = len(records)
    for artifact in (then.model, then.evaluation, then.ablation, then.index) if then else ():
        if artifact is not None:
            visit(artifact)
    names: dict[str, str] = {}
    steps, sources = [], []
    for artifact, record in records.items():
        base = record.tool
        names[artifact] = f"{base}-{1 + sum(n.startswith(base + '-') for n in names.values())}"
        metric, why = reasons.get(artifact, (None, ""))
        parent = record.inputs.get("data")
        steps.append(
            RecipeStep(
                name=names[artifact],
                tool=record.tool,
                version=record.tool_version,
                params=record.params,
                inputs={role: names[item] for role, item in record.inputs.items() if role not in OF_THE_MOMENT},
                seed=record.seed,
                metric=metric,
                why=why,
                rows_in=records[parent].rows if parent else record.rows,
                rows_out=record.rows,
                digest=record.content_digest,
            )
        )
        if record.tool == "ingest":
            sources += [str(uri) for uri in record.params.get("sources", [])]
    return Recipe(
        request=request,
        sources=tuple(sources),
        seed=seed,
        gates=gates,
        measure=measure,
        beside={role: names[artifact] for role, artifact in (beside or {}).items()},
        steps=tuple(steps[:count]),
        result=names[result],
        trigger=None if then is None else _trigger(then, tuple(steps[count:]), names, gates),
    )


def _trigger(
    then: TriggerPlan, steps: tuple[RecipeStep, ...], names: dict[str, str], gates: tuple[Gate, ...]
) -> Trigger:
    return Trigger(
        name=then.name,
        steps=steps,
        model=None if then.model is None else names[then.model],
        index=None if then.index is None else names[then.index],
        evaluation=None if then.evaluation is None else names[then.evaluation],
        promote=then.promote,
        gates=tuple(gate for gate in gates if METRICS[gate.metric].scope == "model"),
    )


def recipe_text(recipe: Recipe) -> str:
    """The recipe as YAML."""
    data = recipe.model_dump(mode="json", exclude_defaults=False)
    if recipe.trigger is None:
        del data["trigger"]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        ParameterError: The file is missing, is not YAML, or is not a recipe; the message names the first fault.
    """
    if not path.is_file():
        raise ParameterError(f"no recipe {path}", hint="Make one: corpusmith recipe RUN > recipe.yaml")
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        first = _first_fault(error)
        raise ParameterError(
            f"{path} is not a recipe: {first}", hint="Make one: corpusmith recipe RUN > recipe.yaml"
        ) from error


def _first_fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in fault['loc']) or 'it'}: {fault['msg'].lower()}"
    return str(error).splitlines()[0]
