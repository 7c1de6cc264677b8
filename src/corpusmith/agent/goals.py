"""Goals: what is still to be done, derived from the brief, the measured scorecard and the lineage of the data.

A goal is either a gate that does not hold, or a wish: a transformation the person asked for that no number can show
(`wish:lowercase`, `wish:sample`, `wish:format`...). Wishes are satisfied by a step in the lineage of the current data,
so nothing is remembered that could go stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Scorecard, Severity
from corpusmith.core.metrics import METRICS
from corpusmith.core.rows import Shape

WISHES = ("lowercase", "stopwords", "numbers", "exact", "generate", "sample", "format", "balance")
"""In the order they may be served."""


@dataclass(frozen=True)
class Goal:
    """One thing still to do.

    Attributes:
        name: Metric of the gate, or `wish:<name>`.
        gate: The gate, for gates.
        value: Its metric now.
        gap: How far from holding, 0 to 1 for shares; 1 for wishes.
        weight: 1 for must gates and wishes, 0.5 for should gates.
    """

    name: str
    gate: Gate | None
    value: float | None
    gap: float
    weight: float

    @property
    def is_wish(self) -> bool:
        """Whether it is a wish rather than a gate."""
        return self.gate is None


def wishes_of(brief: Brief) -> tuple[str, ...]:
    """The transformations the brief asks for, in serving order; a dataset is always formatted last."""
    asked = {
        "lowercase": brief.lowercase,
        "stopwords": brief.remove_stopwords,
        "numbers": bool(brief.numbers),
        "generate": brief.generate_instructions,
        "sample": _needs_draw(brief),
        "balance": brief.balance is not None and brief.balance.method in ("undersample", "oversample"),
        "format": True,
    }
    return tuple(name for name in WISHES if asked.get(name))


def _needs_draw(brief: Brief) -> bool:
    drawn = brief.balance is not None and brief.balance.method not in ("undersample", "oversample")
    return drawn or brief.size.rows is not None or brief.size.tokens is not None


def open_goals(brief: Brief, card: Scorecard, served: Sequence[str], shape: Shape = Shape.TEXT) -> list[Goal]:
    """Unmet gates and unserved wishes.

    Args:
        brief: What was asked.
        card: What was measured on the current data.
        served: Names of the wishes that steps in the data's lineage have served.
        shape: What a row is; pairs are not made out of pairs.
    """
    goals = []
    for gate in brief.gates:
        value = card.value(gate.metric)
        if gate.holds(value) or (value is None and not measurable(gate, brief)):
            continue
        gap = gate.distance(value)
        scale = 1.0 if METRICS[gate.metric].unit == "share" else max(abs(gate.target), 1.0)
        weight = 1.0 if gate.severity is Severity.MUST else 0.5
        goals.append(Goal(gate.metric, gate, value, min(1.0, gap / scale), weight))
    moot = {"generate"} if shape is not Shape.TEXT else set()
    if brief.balance is None or brief.balance.method in ("undersample", "oversample"):
        few = _fits(card.value("rows"), brief.size.rows) and _fits(card.value("tokens"), brief.size.tokens)
        moot |= {"sample"} if few else set()
    wished = [name for name in wishes_of(brief) if name not in served and name not in moot]
    goals += [Goal(f"wish:{name}", None, None, 1.0, 1.0) for name in wished]
    return goals


def _fits(there: float | None, most: int | None) -> bool:
    """Whether there is no more than was asked for, so that nothing need be drawn."""
    return most is None or (there is not None and there <= most)


def measurable(gate: Gate, brief: Brief) -> bool:
    """Whether the gate's metric can be measured before the end (a split leak needs splits, for example)."""
    scope = METRICS[gate.metric].scope
    return scope in ("data", "run") or (scope == "evals" and bool(brief.decontaminate_against))
