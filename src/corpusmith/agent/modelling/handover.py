"""What the phases share: where a node sends the run next, and what it may know of brief, registry and gates."""

from __future__ import annotations

from typing import Literal, cast

from corpusmith.agent.modelling.work import ModelWork
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Brief
from corpusmith.core.decisions import Decision
from corpusmith.core.errors import BudgetExceeded, CorpusmithError
from corpusmith.core.gates import Gate, Scorecard, Severity, judge
from corpusmith.core.metrics import MADE_OF_DATA, METRICS
from corpusmith.store.registry import ModelRegistry

Next = Literal["customize", "assess", "productionize", "conclude"]

TOLD = "model: "
"""How the keys of these notes begin; a narrator of the log shows them."""

MODEL_NAME = "model"
"""Name in the registry where the person gave none."""


def wants_model(brief: Brief) -> bool:
    """Whether anything is to be done once the dataset is there."""
    published = brief.publish_to or brief.publish_data_to
    made = brief.training is not None or brief.approach == "prompting"
    return made or brief.ablation or brief.index is not None or bool(published)


def registry_name(brief: Brief) -> str:
    """The name the model is registered under."""
    return MODEL_NAME if brief.name == "dataset" else brief.name


def brief_in(session: Session, state: LoopState) -> Brief:
    """The run's brief, also after a restart."""
    if session.brief is None:
        session.brief = Brief.model_validate(state["brief"])
    return session.brief


def work_in(state: LoopState) -> ModelWork:
    """What the phases have done."""
    return ModelWork.model_validate(state["modelling"])


def registry_in(session: Session) -> ModelRegistry | None:
    """The registry of models among the services."""
    registry = session.runner.services.get("registry")
    return registry if isinstance(registry, ModelRegistry) else None


def model_gates(brief: Brief) -> list[Gate]:
    """The gates that only what is made of the data can show: a model, models that compare, an index."""
    return [gate for gate in brief.gates if METRICS[gate.metric].scope in MADE_OF_DATA]


def model_floors(brief: Brief) -> tuple[Gate, ...]:
    """The gates that a promotion holds a model against."""
    return tuple(gate for gate in brief.gates if METRICS[gate.metric].scope == "model")


def failed_musts(gates: list[Gate], state: LoopState) -> list[str]:
    """Those of the must gates that do not hold, a sentence each."""
    results = judge(gates, Scorecard.model_validate_json(state["card"]))
    return [
        f"{r.metric} {r.op} {r.target:g} does not hold" for r in results if not r.passed and r.severity is Severity.MUST
    ]


def saw(brief: Brief, state: LoopState) -> dict[str, float | None]:
    """The gates' metrics now."""
    card = Scorecard.model_validate_json(state["card"])
    return {gate.metric: card.value(gate.metric) for gate in brief.gates}


def say(session: Session, key: str, text: str) -> None:
    """Tell the person, and write it into the run's log once."""
    session.log.once("note", f"{TOLD}{key}", text=text)
    session.emit(text)


def log_decision(session: Session, state: LoopState, decision: Decision) -> None:
    """Write a decision into the run's log, once."""
    session.log.once("decision", decision.id, decision=decision.model_dump(mode="json"), data=state["data"])


def told(error: CorpusmithError) -> str:
    """What went wrong, with what to do about it: a refusal that does not end the run is read at its end."""
    return f"{error.message}. Next: {error.hint}" if error.hint else error.message


def go(state: LoopState, work: ModelWork, to: Next, turn: int | None = None) -> LoopState:
    """Hand over to the next node."""
    return {
        "modelling": work.model_dump(mode="json"),
        "phase": to,
        "turn": state["turn"] if turn is None else turn,
        "card": state["card"],
    }


def stopped(state: LoopState, work: ModelWork, error: CorpusmithError, turn: int | None = None) -> LoopState:
    """A spent budget ends the run with what is there; anything else ends it at once."""
    if not isinstance(error, BudgetExceeded):
        raise error
    return {**go(state, work, "conclude", turn), "status": error.exit_status, "error": error.message}


def after_phase(state: LoopState) -> Next:
    """Where the last node said to go."""
    return cast("Next", state["phase"])
