"""Phase 3, select: how the model is made, whether the data is fit for it, and the bases at hand."""

from __future__ import annotations

from corpusmith.agent.modelling.champion import from_champion
from corpusmith.agent.modelling.handover import (
    brief_in,
    go,
    log_decision,
    model_gates,
    registry_name,
    saw,
    say,
    stopped,
    told,
)
from corpusmith.agent.modelling.work import BaseModelFacts, ModelWork
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Approach, Brief, TrainingWish
from corpusmith.core.decisions import Decision, Option
from corpusmith.core.errors import BudgetExceeded, UsageError, WorkspaceError
from corpusmith.core.gates import Scorecard, Severity
from corpusmith.core.rows import Shape
from corpusmith.models.loading import best_device

WAYS: dict[Approach, str] = {
    "prompting": "examples in the prompt of the base: nothing to train, nothing to undo",
    "retrieval": "looks facts up at every question, in an index of the documents; nothing is trained",
    "fine-tuning": "weights learn form, style and labels; judged against its base",
}
NEEDS = {"sft": Shape.INSTRUCTION, "dpo": Shape.PREFERENCE}
"""The shape of rows that a method named in the request cannot do without."""

LEAKS = ("split_leak_rate", "contamination_rate")
"""Metrics that say whether rows that judge the model stand in what it is trained on."""


def select(session: Session, state: LoopState) -> LoopState:
    """Choose the way, hold the data against what training needs, get the bases."""
    brief = brief_in(session, state)
    way: Approach = brief.approach or ("fine-tuning" if brief.training is not None else "prompting")
    work = ModelWork(approach=way)
    if brief.training is None and brief.approach is None:
        return go(state, work, "assess")  # an ablation or a publication alone
    say(session, "select", "phase 3 of 5, select: how the model is made, and on which base")
    turn = state["turn"] + 1
    log_decision(session, state, _way_decision(brief, state, way, turn))
    if way == "retrieval":  # nothing is trained or prompted here: `assess` builds the index and measures it
        return go(state, work, "assess", turn)
    wish = brief.training or TrainingWish(bases=(brief.prompted,))
    unfit = unfit_for_training(session, brief, state, wish)
    if unfit:
        say(session, "unfit", unfit)
        return go(state, work.with_problem(unfit), "assess", turn)
    if wish.from_champion:
        try:
            work = from_champion(session, registry_name(brief), work)
        except UsageError as error:
            say(session, "champion", f"no training: {told(error)}")
            return go(state, work.with_problem(f"no training: {told(error)}"), "assess", turn)
        return go(state, work, "customize", turn)
    found: list[BaseModelFacts] = []
    for name in wish.bases:
        params = {"name": name} | ({"hosted": True} if wish.hosted else {})
        try:
            base = session.step("base", params, {}, seed=0)  # one `tiny` for all runs of a workspace
        except (WorkspaceError, BudgetExceeded) as error:
            return stopped(state, work, error, turn)
        except UsageError as error:
            say(session, f"base {name}", f"base {name}: {told(error)}")
            work = work.with_problem(f"base {name}: {told(error)}")
            continue
        facts = base.artifact.record.result
        found.append(
            BaseModelFacts(
                name=name,
                artifact=base.id,
                parameters=facts["parameters"],
                context_length=facts["context_length"],
            )
        )
    work = work.model_copy(update={"bases": tuple(found)})
    ready = way == "fine-tuning" and bool(found)
    return go(state, work, "customize" if ready else "assess", turn)


def _way_decision(brief: Brief, state: LoopState, way: Approach, turn: int) -> Decision:
    said = next((line for line in brief.assumed if line.startswith("approach:")), "")
    why = said.removeprefix("approach:").strip() or f"the request asks for {way}"
    options = tuple(
        Option(method=other, verdict=f"chosen: {what}" if other == way else what) for other, what in WAYS.items()
    )
    return Decision(
        id=f"d{turn:02d}",
        turn=turn,
        planner="rules",
        saw=saw(brief, state),
        unmet=tuple(gate.metric for gate in model_gates(brief)),
        options=options,
        chosen=way,
        why=why,
    )


def unfit_for_training(session: Session, brief: Brief, state: LoopState, wish: TrainingWish) -> str:
    """Why nothing may be trained or judged on this data here, or an empty string: the guard of the training."""
    data = session.runner.workspace.artifacts.open(state["data"])
    splits = data.record.result.get("splits", {})
    if wish.method in NEEDS and data.shape is not NEEDS[wish.method]:
        return (
            f"no training: {wish.method} needs {NEEDS[wish.method].value} rows, and the data has {data.shape.value} "
            f"rows. Next: give such rows, or leave {wish.method} out: the method then goes by the rows"
        )
    if "format" not in state["served"] or not splits.get("train"):
        tried = [a["outcome"] for a in state["attempts"] if a["method"] == "deliver" and not a["kept"]]
        return "no training: there is no train split" + (f", for deliver was undone: {tried[-1]}" if tried else "")
    empty = [name for name in ("validation", "test") if not splits.get(name)]
    if empty and not brief.evaluation.on:
        return (
            f"no training: the split {empty[0]} is empty, so nothing could judge the model. "
            f"Next: give more rows than {data.rows:,}, or name a set to judge on"
        )
    card = Scorecard.model_validate_json(state["card"])
    for gate in brief.gates:
        value = card.value(gate.metric)
        unsafe = gate.metric in LEAKS and gate.severity is Severity.MUST
        if unsafe and value is not None and not gate.holds(value):
            return f"no training: {gate.metric} is {value:.4g}, so rows that judge the model stand in its data"
    if wish.place.device == "gpu":
        try:
            best_device("cuda")
        except (UsageError, ImportError):
            return "no training: a GPU was asked for, and none is here"
    return ""
