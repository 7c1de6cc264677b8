"""What a patch may add to a brief about models: a training where none was spoken of, its settings, judging, ablation.

Never a base model, a folder, a provider or a hub: those are words of the person, and some cost money. A sentence that
declines training stays declined, and a model is promoted only where the rules had read of a training and of nothing
against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.agent.understanding.clauses import declines_training
from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_wish import training_assumptions
from corpusmith.core.brief import Approach, Brief, Deliverable, EvaluationWish, Splits, TrainingWish
from corpusmith.core.rows import Shape

_SPLITS = (0.8, 0.1, 0.1)
Change = tuple[str, dict[str, Any], str]
"""A field's name, the update of the brief, and the words for it."""


class PatchTraining(BaseModel):
    """How a model is trained; null where the phrase says nothing of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: Literal["sft", "dpo", "pretrain"] | None = None
    adapter: Literal["lora", "dora", "qlora", "prompt", "none"] | None = None
    rank: int | None = Field(None, ge=1, le=1024)
    epochs: float | None = Field(None, gt=0, le=100, allow_inf_nan=False)
    max_steps: int | None = Field(None, ge=1, le=10**6)
    learning_rate: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    sequence_length: int | None = Field(None, ge=8, le=10**6, description="tokens")
    trials: int | None = Field(None, ge=1, le=16, description="settings tried at most")


class ModelPatch(BaseModel):
    """The fields about models; null where the phrases ask for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    approach: Approach | None = Field(None, description="how a wanted model is made; fine-tuning trains one")
    training: PatchTraining | None = Field(None, description="train a model on the data; {} = with every default")
    task: Literal["text", "answers", "label", "number"] | None = Field(None, description="what the model answers with")
    judge: Literal[True] | None = Field(None, description="the model's answers are also scored by an LLM judge")
    ablation: Literal[True] | None = Field(None, description="prove on models that the curation helps")
    promote: Literal[True] | None = Field(None, description="make the model champion when every gate of it holds")


def model_changes(brief: Brief, patch: ModelPatch) -> Iterator[Change]:
    """Each change about models that the patch makes where the rules had left the default."""
    wish = _training(brief, patch)
    if wish is not None and wish != brief.training:
        update: dict[str, Any] = {"training": wish, "approach": "fine-tuning"}
        if brief.training is None:
            update |= _judged(brief) | _rows_for(brief, wish)
        yield "training", update, _said(brief.training or TrainingWish(), wish)
    elif patch.approach in ("prompting", "retrieval") and brief.approach is None and brief.training is None:
        update = {"approach": patch.approach} | (_judged(brief) if patch.approach == "prompting" else {})
        yield "approach", update, f"approach {patch.approach}"
    judging, words = _judging(brief.evaluation, patch)
    if words and (wish or brief.training or brief.approach == "prompting"):
        yield "evaluation", {"evaluation": judging}, words
    if patch.ablation and not brief.ablation:
        yield "ablation", {"ablation": True}, "an ablation of the curation"
    if patch.promote and not brief.promote and brief.training is not None:
        yield "promote", {"promote": True}, "the model is promoted when every gate of it holds"


def told_of_training(brief: Brief) -> list[str]:
    """The sentences that say what was filled in about a training that a patch added."""
    draft, wish = Draft(), brief.training
    if wish is not None and wish.adapter != TrainingWish().adapter:
        draft.claim("training.adapter", wish.adapter, 0, "")
    if (brief.splits.train, brief.splits.validation, brief.splits.test) != _SPLITS:
        draft.claim("splits", brief.splits, 0, "")
    return training_assumptions(brief, draft)


def _training(brief: Brief, patch: ModelPatch) -> TrainingWish | None:
    """The training after the patch; None where there is to be none."""
    asked = patch.training is not None or patch.approach == "fine-tuning"
    if not asked or (brief.training is None and (brief.approach is not None or declines_training(brief.request))):
        return None
    house, old = TrainingWish(), brief.training or TrainingWish()
    given = {} if patch.training is None else patch.training.model_dump(exclude_none=True)
    return old.model_copy(update={k: v for k, v in given.items() if getattr(old, k) == getattr(house, k)})


def _judged(brief: Brief) -> dict[str, Any]:
    """What follows when a model comes into a request that had none: what is made, and rows to judge it on."""
    update: dict[str, Any] = {}
    if brief.deliverable is Deliverable.DATASET:
        update["deliverable"] = Deliverable.MODEL
    if any(line.startswith("splits: none") for line in brief.assumed):
        train, validation, test = _SPLITS
        update["splits"] = Splits(train=train, validation=validation, test=test)
    return update


def _rows_for(brief: Brief, wish: TrainingWish) -> dict[str, Any]:
    """The rows that a method needs, where the brief makes plain text."""
    if brief.output.template != "text" or wish.method not in ("sft", "dpo"):
        return {}
    if wish.method == "dpo":
        return {"output": brief.output.model_copy(update={"template": "preference", "shape": Shape.PREFERENCE})}
    output = brief.output.model_copy(update={"template": "alpaca", "shape": Shape.INSTRUCTION})
    return {"output": output, "generate_instructions": True}


def _said(old: TrainingWish, new: TrainingWish) -> str:
    changed = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in new.model_dump(mode="json").items()
        if value != getattr(old, name, None) and name not in ("place", "bases")
    ]
    return "a model is trained" + (f", {', '.join(changed)}" if changed else "")


def _judging(old: EvaluationWish, patch: ModelPatch) -> tuple[EvaluationWish, str]:
    update: dict[str, Any] = {}
    if patch.task and old.task == "auto":
        update["task"] = patch.task
    if patch.judge and not old.judge:
        update["judge"] = True
    words = ", ".join("an LLM judge" if name == "judge" else f"answers are a {value}" for name, value in update.items())
    return old.model_copy(update=update), words
