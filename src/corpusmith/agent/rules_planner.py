"""The embedded planner: deterministic, with no key, no network and no model.

A turn: list the open goals, find the catalogue's methods that can move one, leave out those whose measurement another
open goal would confound, weigh gain against cost, try the settings of a method that removes rows on a fixed sample, and
choose the setting that meets its gate while it removes least. Every option it weighed is in the decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import CATALOGUE, Method
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request
from corpusmith.core.decisions import Option
from corpusmith.core.gates import Gate

_MIN_GAIN = 1e-9


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


class RulesPlanner:
    """The default planner."""

    name: Literal["rules"] = "rules"

    def understand(self, request: Request) -> Brief:
        """The brief, by rules (`agent.understanding`)."""
        return understand(request)

    def decide(self, view: View, rejected: tuple[str, ...] = ()) -> Proposal:
        """The next action by gain, cost and confounders."""
        goals: tuple[Goal, ...] = view.goals
        if rejected:
            return Proposal(planner="rules", method=STOP, why=f"its proposal was refused: {'; '.join(rejected)}")
        if not goals:
            return Proposal(planner="rules", method=STOP, why="every gate holds and every wish is served")
        found = candidates(view)
        ready = [c for c in found if not _confounded(c, found, goals)]
        ranked = sorted(ready, key=lambda c: (-c.score, list(CATALOGUE).index(c.method.name)))
        weighed: list[Option] = []
        for candidate in ranked:
            choice, options = _choose_setting(candidate, view)
            weighed += options
            if choice is not None:
                rest = [Option(method=c.method.name, verdict=f"later: gain/cost {c.score:.3f}") for c in ranked]
                others = [o for o in rest if o.method not in {w.method for w in weighed}]
                return _proposal(candidate, choice, (*weighed, *others))
        names = ", ".join(goal.name for goal in goals)
        reason = "; ".join(o.verdict for o in weighed) or "no method of the catalogue is left for them"
        return Proposal(planner="rules", method=STOP, options=tuple(weighed), why=f"open: {names}. {reason}")


def candidates(view: View) -> list[Candidate]:
    """Every method that can serve an open goal, with the settings not yet tried on this data or failed before."""
    out = []
    for goal in view.goals:
        for method in CATALOGUE.values():
            if goal.name not in method.moves or not method.needs(view):
                continue
            left = tuple(dict(p) for p in method.settings(view) if not _spent(method, dict(p), view))
            if left:
                out.append(Candidate(method, goal, left))
    return out


def _spent(method: Method, params: dict[str, Any], view: View) -> bool:
    """A setting is spent when it was rolled back, or ran on the very data that is current."""
    for attempt in view.attempts:
        if attempt.method == method.name and attempt.params == params:
            if not attempt.kept or attempt.data == view.data:
                return True
            if attempt.before == attempt.after:
                return True
    return (
        sum(a.method == method.name and a.kept for a in view.attempts) >= 2
    )  # a method that is kept twice has given its all


def _confounded(candidate: Candidate, found: list[Candidate], goals: tuple[Goal, ...]) -> bool:
    """Whether an open goal that should come first still has a method that could serve it."""
    first = set(candidate.method.after)
    if "*" in first:
        first |= {goal.name for goal in goals if not goal.is_wish and goal.name not in candidate.method.moves}
    waiting = {c.goal.name for c in found if c.method is not candidate.method}
    return bool(first & waiting - set(candidate.method.moves))


def _choose_setting(
    candidate: Candidate, view: View
) -> tuple[tuple[dict[str, Any], float | None] | None, list[Option]]:
    """The setting to run: without a trial the first; else the one that meets the gate and removes least."""
    method, goal = candidate.method, candidate.goal
    if not (method.removes and method.on_sample) or view.sample_rows == 0:
        params = candidate.settings[0]
        predicted = None if goal.gate is None else (0.0 if goal.gate.op in ("<=", "<") else goal.gate.target)
        return (params, predicted), [Option(method=method.name, params=params, predicted=predicted, verdict="chosen")]
    tried: list[tuple[tuple[float, ...], dict[str, Any], float | None, dict[str, float]]] = []
    options = []
    for rank, params in enumerate(candidate.settings):
        figures = view.try_on_sample(method.name, params)
        if figures is None:
            options.append(Option(method=method.name, params=params, verdict="cannot run on the sample"))
            continue
        value, kept = figures.get(goal.name), figures.get("sample_retention", 1.0)
        floor = view.brief.retention_floor
        if kept < floor:
            verdict = f"leaves {kept:.1%} of the sample, under the floor of {floor:.0%}"
            options.append(
                Option(method=method.name, params=params, predicted=value, sample=dict(figures), verdict=verdict)
            )
            continue
        gate = goal.gate
        unmet = gate.distance(value) if isinstance(gate, Gate) else 0.0
        tried.append(((round(unmet, 4), -round(kept, 3), float(rank)), params, value, dict(figures)))
    tried.sort(key=lambda t: t[0])
    for place, (key, params, value, figures) in enumerate(tried):
        verdict = (
            "chosen: nearest to its gate, removes least"
            if place == 0
            else f"not chosen: distance {key[0]:g}, keeps {-key[1]:.1%}"
        )
        options.append(Option(method=method.name, params=params, predicted=value, sample=figures, verdict=verdict))
    if not tried:
        return None, options
    return (tried[0][1], tried[0][2]), options


def _proposal(
    candidate: Candidate, choice: tuple[dict[str, Any], float | None], options: tuple[Option, ...]
) -> Proposal:
    method, goal = candidate.method, candidate.goal
    if goal.gate is None:
        why = f"the request asks for it ({goal.name.removeprefix('wish:')})"
    else:
        now = "not measured" if goal.value is None else f"{goal.value:.4g}"
        why = f"{goal.name} is {now}, its gate says {goal.gate.op} {goal.gate.target:g}; known harm: {method.harm}"
    return Proposal(
        planner="rules",
        method=method.name,
        params=choice[0],
        metric=goal.name,
        predicted=choice[1],
        why=why,
        options=options,
    )
