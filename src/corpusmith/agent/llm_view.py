"""What a model is shown of a run, and the form of its answer. Statistics, enums and ids; no text of the data.

Names that data could have written (source names, field names, values of fields, messages of tools) are left out or
counted. The person's own words are shown to `understand` only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from corpusmith.agent.goals import Goal
from corpusmith.agent.llm_settings import KNOBS, knob_schemas
from corpusmith.agent.methods import CATALOGUE, Method
from corpusmith.agent.planner import Attempt, View
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Scorecard

NAME = r"^[A-Za-z][A-Za-z0-9_:.\-]{0,63}$"
MAX_PARAMS_CHARS = 2000
MAX_NUMBER = 1e12
MAX_ATTEMPTS = 40


class LlmProposal(BaseModel):
    """The one action to take this turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str = Field(pattern=NAME, description="name of a method in `methods`, or 'stop'")
    params: dict[str, Any] = Field(default_factory=dict, description="only what `may_set` of the method names")
    metric: str | None = Field(None, pattern=NAME, description="name of the open goal it serves")
    predicted: float | None = Field(None, allow_inf_nan=False, description="expected value of that metric afterwards")
    why: str = Field("", max_length=300, description="one sentence")

    @field_validator("params")
    @classmethod
    def _bounded(cls, params: dict[str, Any]) -> dict[str, Any]:
        check_plain(params)
        return params

    @field_validator("why")
    @classmethod
    def _printable(cls, why: str) -> str:
        return one_line(why)


def check_plain(value: Any) -> None:
    """Refuse what no step could be named by or no log could hold.

    Raises:
        ValueError: A number that is not finite or over 1e12, text that is no Unicode, or more than 2,000 characters.
    """
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise ValueError("holds a number or a text that cannot be used") from None
    if size > MAX_PARAMS_CHARS:
        raise ValueError(f"is longer than {MAX_PARAMS_CHARS} characters")
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack += item.values()
        elif isinstance(item, list):
            stack += item
        elif isinstance(item, int | float) and abs(item) > MAX_NUMBER:
            raise ValueError(f"holds a number over {MAX_NUMBER:g}")


def one_line(text: str) -> str:
    """Text without control characters, lone surrogates and line breaks: fit for a log and a terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def view_text(view: View, refused: list[dict[str, Any]]) -> str:
    """The view as compact JSON."""
    shown = {
        "wanted": wanted(view.brief),
        "rows": view.rows,
        "shape": view.shape.value,
        "measured_at_start": _figures(view.start),
        "measured_now": _figures(view.card),
        "open": [_goal(goal) for goal in view.goals],
        "methods": [_method(method, view) for method in CATALOGUE.values() if _serves(method, view)],
        "earlier_turns": [_attempt(attempt) for attempt in view.attempts[-MAX_ATTEMPTS:]],
        "turns_left": view.turns_left,
        "refused": refused,
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def wanted(brief: Brief) -> dict[str, Any]:
    """The brief without any word that is not ours: paths are counted, names of fields and categories left out."""
    plain = brief.model_dump(
        mode="json",
        include={
            "deliverable", "languages", "size", "splits", "output", "dedup", "remove_pii", "quality", "lowercase",
            "remove_stopwords", "length", "generate_instructions", "retention_floor", "source_floor", "approach",
            "ablation", "promote",
        },
    )  # fmt: skip
    training = brief.training and brief.training.model_dump(mode="json", exclude={"bases", "replay_from", "place"})
    return plain | {
        "sources": len(brief.sources),
        "evaluation_sets": len(brief.decontaminate_against),
        "training": training,
        "evaluation": brief.evaluation.model_dump(mode="json", include={"task", "judge"}),
        "number_ranges": len(brief.numbers),
        "balance": None if brief.balance is None else brief.balance.method,
        "gates": [f"{gate} ({gate.severity.value})" for gate in brief.gates],
    }


def _figures(card: Scorecard) -> dict[str, float]:
    return {name: _short(metric.value) for name, metric in card.metrics.items() if math.isfinite(metric.value)}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _goal(goal: Goal) -> dict[str, Any]:
    if goal.gate is None:
        return {"goal": goal.name}
    value = None if goal.value is None or not math.isfinite(goal.value) else _short(goal.value)
    return {
        "goal": goal.name, "value": value, "op": goal.gate.op, "target": goal.gate.target,
        "severity": goal.gate.severity.value, "gap": _short(goal.gap), "weight": goal.weight,
    }  # fmt: skip


def _serves(method: Method, view: View) -> list[str]:
    if not method.needs(view) or not method.settings(view):
        return []
    return [goal.name for goal in view.goals if goal.name in method.moves]


def _method(method: Method, view: View) -> dict[str, Any]:
    knobs = KNOBS.get(method.name, ())
    suggested = [{name: s[name] for name in knobs if name in s} for s in method.settings(view)]
    shown: dict[str, Any] = {
        "name": method.name,
        "serves": _serves(method, view),
        "after": list(method.after),
        "cost": method.cost,
        "removes_rows": method.removes,
        "harm": method.harm,
        "may_set": knob_schemas(method),
    }
    return shown | ({"suggested": suggested} if any(suggested) else {})


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """One earlier turn; a tool's own words could quote the data, so a failure is only named."""
    knobs = KNOBS.get(attempt.method, ())
    return {
        "method": attempt.method,
        "params": {name: value for name, value in attempt.params.items() if name in knobs},
        "goal": attempt.metric,
        "before": attempt.before,
        "after": attempt.after,
        "rows_dropped": attempt.dropped_frac,
        "kept": attempt.kept,
        "outcome": "the tool refused it" if attempt.outcome.startswith("failed:") else attempt.outcome,
    }
