"""The state of the loop: ids and small plain values only, never rows (checkpoints grow with it)."""

from __future__ import annotations

from typing import Any, TypedDict

from corpusmith.agent.goals import open_goals
from corpusmith.agent.planner import Attempt, View
from corpusmith.agent.session import SAMPLE_ROWS, Session
from corpusmith.core.gates import Scorecard
from corpusmith.core.rows import Shape


class LoopState(TypedDict, total=False):
    """One checkpoint.

    `card` and `start_card` are scorecards as JSON text; `attempts` are `Attempt`s as mappings;
    `conflict` is the first statement of which must gates cannot all hold; `modelling` is an
    `agent.modelling.work.ModelWork` as a mapping, `phase` the node that comes next there.
    """

    brief: dict[str, Any]
    raw: str
    evals: list[str]
    docs: list[str]
    data: str
    shape: str
    rows: int
    card: str
    card_id: str
    start_card: str
    served: list[str]
    attempts: list[dict[str, Any]]
    turn: int
    proposal: dict[str, Any]
    rejected: list[str]
    tries: int
    result: str
    error: str
    conflict: str
    status: int
    modelling: dict[str, Any]
    phase: str
    outcome: dict[str, Any]


def view_of(state: LoopState, session: Session) -> View:
    """What a planner may know now."""
    brief = session.need_brief()
    card = Scorecard.model_validate_json(state["card"])
    return View(
        brief=brief,
        card=card,
        start=Scorecard.model_validate_json(state["start_card"]),
        goals=tuple(open_goals(brief, card, state["served"], Shape(state["shape"]))),
        attempts=tuple(Attempt.model_validate(entry) for entry in state["attempts"]),
        shape=Shape(state["shape"]),
        rows=state["rows"],
        data=state["data"],
        served=tuple(f"wish:{name}" for name in state["served"]),
        has_evals=bool(state["evals"]),
        turns_left=brief.budgets.iterations - state["turn"],
        try_on_sample=lambda name, params: session.try_on_sample(state["data"], name, params),
        sample_rows=min(SAMPLE_ROWS, state["rows"]),
        has_docs=bool(state.get("docs")),
    )
