"""What could be done next: every method of the catalogue that serves an open goal, with the settings left to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import CATALOGUE, Method, too_late
from corpusmith.agent.planner import View
from corpusmith.core.metrics import METRICS

MOST_RUNS = 3
"""Times a method may be kept: another step may open its goal again (masking makes copies alike)."""


@dataclass(frozen=True)
class Candidate:
    """A method for a goal, with what is left to try of its settings."""

    method: Method
    goal: Goal
    settings: tuple[dict[str, Any], ...]

    @property
    def score(self) -> float:
        """Expected gain over cost."""
        return self.goal.weight * self.goal.gap / (1 + self.method.cost)


def candidates(view: View) -> list[Candidate]:
    """Every method that can serve an open goal, with the settings not yet tried on this data or failed before."""
    out = []
    for goal in view.goals:
        for method in CATALOGUE.values():
            if goal.name not in method.moves or not method.needs(view) or too_late(method, view):
                continue
            if method.wish() is not None and not goal.is_wish and METRICS[goal.name].scope == "splits":
                continue  # files are written in the split that was settled before them
            if spends_drawn_rows(method, goal, view):
                continue
            left = tuple(dict(p) for p in method.settings(view) if not spent(method, dict(p), view, goal))
            if left:
                out.append(Candidate(method, goal, left))
    return out


def spends_drawn_rows(method: Method, goal: Goal, view: View) -> bool:
    """Whether it would drop rows of a draw for a gate that only should hold.

    The draw moves a share a little; the rows that were asked for are worth more than a hope.
    """
    return "wish:sample" in view.served and method.removes and goal.weight < 1


def spent(method: Method, params: dict[str, Any], view: View, goal: Goal) -> bool:
    """A setting is spent when it was rolled back, ran on the very data that is current, or could not reach the gate."""
    for attempt in view.attempts:
        if attempt.method == method.name and attempt.params == params:
            if not attempt.kept or attempt.data == view.data:
                return True
            if attempt.before == attempt.after:
                return True
    kept = [a for a in view.attempts if a.method == method.name and a.kept]
    if method.removes and goal.gate is not None and any(not goal.gate.holds(a.after) for a in kept):
        return True  # a filter that was kept and did not reach its gate has given its all
    return len(kept) >= MOST_RUNS
