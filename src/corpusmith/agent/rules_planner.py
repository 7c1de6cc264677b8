"""The embedded planner: deterministic, with no key, no network and no model.

A turn: list the open goals, find the catalogue's methods that can move one, leave out those whose measurement another
open goal would confound, weigh gain against cost, try the settings of a method that removes rows on a fixed sample, and
choose the setting that meets its gate while it removes least. Every option it weighed is in the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import CATALOGUE, Method, too_late
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request
from corpusmith.core.decisions import Option

SHOULD_CAP = 0.1
"""Most rows a step may remove for a gate that only should hold."""

MIN_STEP = 0.15
"""Least share of the gap that a step for a gate that only should hold must close."""

RULE_CAP = 0.05
"""Share of rows from which a published rule is taken to describe the genre of the corpus rather than its junk."""

RULE_ROWS = 5
"""Fewest rows that say anything about a genre."""

MOST_RUNS = 3
"""Times a method may be kept: another step may open its goal again (masking makes copies alike)."""

RULE_FAMILIES = frozenset({"gopher_quality", "gopher_repetition", "c4", "fineweb"})

Choice = tuple[dict[str, Any], float | None]


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
        weighed: list[Option] = []
        while ready := _ranked(found, goals):
            candidate = ready[0]
            choice, options = _choose_setting(candidate, view)
            weighed += options
            if choice is not None:
                later = [Option(method=c.method.name, verdict=f"later: gain/cost {c.score:.3f}") for c in ready[1:]]
                return _proposal(candidate, choice, (*weighed, *later))
            found.remove(candidate)
        names = ", ".join(goal.name for goal in goals)
        verdicts = dict.fromkeys(f"{option.method} {option.verdict}" for option in weighed)
        reason = "; ".join(verdicts) or "no method of the catalogue is left for them"
        return Proposal(planner="rules", method=STOP, options=tuple(weighed), why=f"open: {names}. {reason}")


def candidates(view: View) -> list[Candidate]:
    """Every method that can serve an open goal, with the settings not yet tried on this data or failed before."""
    out = []
    drawn = "wish:sample" in view.served
    for goal in view.goals:
        for method in CATALOGUE.values():
            if drawn and method.removes and goal.weight < 1:
                continue  # the draw moves a share a little; the rows that were asked for are worth more than a hope
            if goal.name not in method.moves or not method.needs(view) or too_late(method, view):
                continue
            left = tuple(dict(p) for p in method.settings(view) if not _spent(method, dict(p), view, goal))
            if left:
                out.append(Candidate(method, goal, left))
    return out


def _spent(method: Method, params: dict[str, Any], view: View, goal: Goal) -> bool:
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


def _ranked(found: list[Candidate], goals: tuple[Goal, ...]) -> list[Candidate]:
    """The candidates that nothing confounds, best first; ties by the catalogue's order."""
    order = list(CATALOGUE)
    free = [
        c for c in found if not _confounded(c, found, goals)
    ] or found  # methods that wait for each other wait for ever
    return sorted(free, key=lambda c: (-c.score, order.index(c.method.name)))


def _confounded(candidate: Candidate, found: list[Candidate], goals: tuple[Goal, ...]) -> bool:
    """Whether an open goal that should come first still has a method that could serve it."""
    first = set(candidate.method.after)
    if "*" in first:
        first |= {goal.name for goal in goals if not goal.is_wish and goal.name not in candidate.method.moves}
    waiting = {c.goal.name for c in found if c.method is not candidate.method}
    return bool(first & waiting - set(candidate.method.moves))


def _choose_setting(candidate: Candidate, view: View) -> tuple[Choice | None, list[Option]]:
    """The setting to run: without a trial the first; else the one that meets the gate and removes least."""
    method, goal = candidate.method, candidate.goal
    if not (method.removes and method.on_sample) or view.sample_rows == 0:
        params = candidate.settings[0]
        predicted = None if goal.gate is None else (0.0 if goal.gate.op in ("<=", "<") else goal.gate.target)
        return (params, predicted), [Option(method=method.name, params=params, predicted=predicted, verdict="chosen")]
    floor = view.brief.retention_floor
    if goal.weight < 1:
        floor = max(floor, 1 - SHOULD_CAP)
        if view.sample_rows * SHOULD_CAP < 1:
            return None, [Option(method=method.name, verdict="not tried: there are too few rows to spare one")]
    tried: list[tuple[tuple[float, ...], dict[str, Any], float | None, dict[str, float]]] = []
    options = []
    queue = list(candidate.settings)
    for rank, params in enumerate(queue):
        figures = view.try_on_sample(method.name, params)
        if figures is None:
            options.append(Option(method=method.name, params=params, verdict="cannot run on the sample"))
            continue
        milder = _without_blunt_rules(params, figures, view.sample_rows)
        if milder is not None and milder not in queue and not _spent(method, milder, view, goal):
            queue.append(milder)
        value, kept = figures.get(goal.name), figures.get("sample_retention", 1.0)
        if kept < floor:
            verdict = f"leaves {kept:.1%} of the sample, under the floor of {floor:.0%}"
            option = Option(method=method.name, params=params, predicted=value, sample=dict(figures), verdict=verdict)
            options.append(option)
            continue
        unmet = goal.gate.distance(value) if goal.gate is not None else 0.0
        tried.append(((round(unmet, 4), -round(kept, 3), float(rank)), params, value, dict(figures)))
    tried.sort(key=lambda t: t[0])
    if tried and goal.weight < 1 and not _worth(goal, tried[0][0]):
        _, params, value, figures = tried[0]
        verdict = f"not worth its rows: it would close less than {MIN_STEP:.0%} of the gap"
        options.append(Option(method=method.name, params=params, predicted=value, sample=figures, verdict=verdict))
        return None, options
    for place, (key, params, value, figures) in enumerate(tried):
        verdict = "chosen: nearest to its gate, then removes least"
        if place:
            verdict = f"not chosen: {key[0]:g} from its gate, keeps {-key[1]:.1%}"
        options.append(Option(method=method.name, params=params, predicted=value, sample=figures, verdict=verdict))
    return ((tried[0][1], tried[0][2]) if tried else None), options


def _worth(goal: Goal, key: tuple[float, ...]) -> bool:
    """Whether a step meets its gate or closes enough of the gap; a share falls by no more than the rows that go."""
    unmet, kept = key[0], -key[1]
    return unmet == 0 or min(goal.gap - unmet, 1 - kept) >= MIN_STEP * goal.gap


def _without_blunt_rules(params: dict[str, Any], figures: Mapping[str, float], rows: int) -> dict[str, Any] | None:
    """The setting without the published rules that alone take more than `RULE_CAP` of the rows, or None.

    Such a rule describes the genre (code, lists, verse), not junk: thresholds do not cross genres, and blunt heuristics
    cost a fifth of high-quality tokens (Nemotron-CC).
    """
    if not RULE_FAMILIES & params.keys():
        return None
    cap = max(RULE_CAP, (RULE_ROWS - 0.5) / max(rows, 1))
    blunt = {key.removeprefix("dropped:"): None for key, n in figures.items() if key.startswith("dropped:") and n > cap}
    if not blunt:
        return None
    return {**params, "thresholds": {**params.get("thresholds", {}), **blunt}}


def _proposal(candidate: Candidate, choice: Choice, options: tuple[Option, ...]) -> Proposal:
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
