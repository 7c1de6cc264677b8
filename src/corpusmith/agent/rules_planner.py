"""The embedded planner: deterministic, with no key, no network and no model.

A turn: list the open goals, find the catalogue's methods that can move one, leave out those whose measurement another
open goal would confound, weigh gain against cost, try the settings of a method that removes rows on a fixed sample, and
choose the setting that meets its gate while it removes least. Every option it weighed is in the decision. When a must
gate says how many rows are to be kept, the loss is planned over all gates before the first filter (`loss_budget`).
"""

from __future__ import annotations

from typing import Any, Literal

from corpusmith.agent.candidates import Candidate, candidates
from corpusmith.agent.goals import Goal
from corpusmith.agent.loss_budget import EPSILON, SHOULD_CAP, LossBudget, plan_losses
from corpusmith.agent.methods import CATALOGUE, Method
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.trials import MIN_STEP, Trial, foreseen, is_sampled, is_worth, run_trials
from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request
from corpusmith.core.decisions import Option

Choice = tuple[dict[str, Any], float | None]


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
        budget: LossBudget | None = None
        while ready := _ranked(found, goals):
            candidate = ready[0]
            if budget is None and candidate.method.removes:
                budget = plan_losses(view)
            choice, options = _choose_setting(candidate, view, budget)
            weighed += options
            if choice is not None:
                later = [Option(method=c.method.name, verdict=f"later: gain/cost {c.score:.3f}") for c in ready[1:]]
                return _proposal(candidate, choice, (*weighed, *later), budget)
            found.remove(candidate)
        names = ", ".join(goal.name for goal in goals)
        verdicts = dict.fromkeys(f"{option.method} {option.verdict}" for option in weighed)
        reason = "; ".join(verdicts) or "no method of the catalogue is left for them"
        why = f"open: {names}. {reason}"
        return Proposal(planner="rules", method=STOP, options=tuple(weighed), why=why, conflict=_conflict(budget))


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
    return bool(first & waiting)


def _choose_setting(candidate: Candidate, view: View, budget: LossBudget | None) -> tuple[Choice | None, list[Option]]:
    """The setting to run: without a trial the first; else the one that meets the gate and removes least."""
    method, goal = candidate.method, candidate.goal
    most = None if budget is None else budget.most(goal.name)
    if not is_sampled(method, view):
        return _first_setting(candidate, view, budget)
    floor = view.brief.retention_floor
    if goal.weight < 1:
        floor = max(floor, 1 - SHOULD_CAP)
        if view.sample_rows * SHOULD_CAP < 1:
            return None, [Option(method=method.name, verdict="not tried: there are too few rows to spare one")]
    trials, options = run_trials(candidate, view)
    able: list[Trial] = []
    for trial in trials:
        verdict = ""
        if trial.kept < floor:
            verdict = f"leaves {trial.kept:.1%} of the rows, under the floor of {floor:.0%}"
        elif budget is not None and most is not None and 1 - trial.kept > most + EPSILON:
            verdict = budget.verdict(goal.name, 1 - trial.kept)
        if verdict:
            options.append(_option(method, trial, verdict))
        else:
            able.append(trial)
    able.sort(key=lambda trial: trial.key)
    if able and goal.weight < 1 and not is_worth(candidate, able[0]):
        verdict = f"not worth its rows: it would close less than {MIN_STEP:.0%} of the gap"
        return None, [*options, _option(method, able[0], verdict)]
    for place, trial in enumerate(able):
        verdict = "chosen: nearest to its gate, then removes least"
        if place:
            verdict = f"not chosen: {trial.key[0]:g} from its gate, keeps {trial.kept:.1%}"
        options.append(_option(method, trial, verdict))
    return ((able[0].params, able[0].value) if able else None), options


def _first_setting(candidate: Candidate, view: View, budget: LossBudget | None) -> tuple[Choice | None, list[Option]]:
    """The first setting of a method that no sample can show, unless what it is known to remove is too much."""
    method, goal, params = candidate.method, candidate.goal, candidate.settings[0]
    most = None if budget is None else budget.most(goal.name)
    predicted = None if goal.gate is None else (0.0 if goal.gate.op in ("<=", "<") else goal.gate.target)
    loss = 1 - min((trial.kept for trial in foreseen(candidate, view)), default=1.0) if method.removes else 0.0
    verdict = ""
    if budget is not None and most is not None and loss > most + EPSILON:
        verdict = budget.verdict(goal.name, loss)
    elif goal.weight < 1 and method.family == "filter" and loss > SHOULD_CAP:  # copies may go; they are no loss
        verdict = f"would take {loss:.1%} of the rows; for a gate that only should hold, {SHOULD_CAP:.0%} may go"
    option = Option(method=method.name, params=params, predicted=predicted, verdict=verdict or "chosen")
    return (None if verdict else (params, predicted)), [option]


def _option(method: Method, trial: Trial, verdict: str) -> Option:
    sample = dict(trial.figures)
    return Option(method=method.name, params=trial.params, predicted=trial.value, sample=sample, verdict=verdict)


def _conflict(budget: LossBudget | None) -> str:
    return "" if budget is None else budget.conflict


def _proposal(candidate: Candidate, choice: Choice, options: tuple[Option, ...], budget: LossBudget | None) -> Proposal:
    method, goal = candidate.method, candidate.goal
    if goal.gate is None:
        why = f"the request asks for it ({goal.name.removeprefix('wish:')})"
    else:
        now = "not measured" if goal.value is None else f"{goal.value:.4g}"
        why = f"{goal.name} is {now}, its gate says {goal.gate.op} {goal.gate.target:g}; known harm: {method.harm}"
    conflict = _conflict(budget)
    return Proposal(
        planner="rules",
        method=method.name,
        params=choice[0],
        metric=goal.name,
        predicted=choice[1],
        why=f"{why}; {conflict}" if conflict and method.removes else why,
        options=options,
        conflict=conflict,
    )
