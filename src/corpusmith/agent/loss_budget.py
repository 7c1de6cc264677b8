"""Rows are a budget: when a must gate says how much is to be kept, the loss is planned over all gates at once.

Taken one by one, the first filters spend what later ones need: a hope costs 8 % of the rows, and the copies that must
go then break the floor. So before a filter runs, what each open gate would cost is foreseen (`agent.trials`): must
gates are reserved for first, as many of them as the floor allows and then those that leave least distance; what is over
goes to the gates that only should hold, by gain per lost row. Nothing is stored: the plan is made anew each turn from
what is measured, so the true loss of one step corrects the plan for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from corpusmith.agent.candidates import Candidate, candidates
from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import Method
from corpusmith.agent.planner import View
from corpusmith.agent.trials import Trial, foreseen, is_worth
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Severity

SHOULD_CAP = 0.1
"""Most rows a step may remove for a gate that only should hold."""

MOST_MUSTS = 10
"""Goals among which every choice is compared; of more, the cheapest."""

EPSILON = 1e-9
"""Shares that differ by less are the same."""

_FREE = ("wish:sample", "wish:balance", "wish:generate")
"""Wishes after which rows are no longer counted against the run's input."""


@dataclass(frozen=True)
class Need:
    """What one goal would cost.

    Attributes:
        goal: The open goal.
        method: The method that would serve it.
        params: Its setting.
        loss: Share of the current rows that it takes.
        error: By how much that may be wrong; 0 where it was counted.
        left: How far the goal would still be from holding, 0–1.
    """

    goal: Goal
    method: Method
    params: dict[str, Any]
    loss: float
    error: float
    left: float

    def __str__(self) -> str:
        about = "about " if self.error else ""
        return f"{self.goal.name} {about}{self.loss:.1%}"


@dataclass(frozen=True)
class LossBudget:
    """How the rows that may go are shared out.

    Attributes:
        gate: The floor, as the brief has it.
        spare: Share of the current rows that may go.
        musts: Must gates and wishes that are reserved for.
        given_up: Those that do not fit beside them.
        shoulds: Gates that only should hold, and the share of rows each may take.
        waits_for: Must gates that a repair is still to serve: it may open another must gate (masking makes copies
            alike), so nothing goes to hopes before.
        conflict: Which must gates cannot all hold, with the figures; "" where they can.
    """

    gate: Gate
    spare: float
    musts: tuple[Need, ...]
    given_up: tuple[Need, ...]
    shoulds: tuple[tuple[Need, float], ...]
    waits_for: tuple[str, ...]
    conflict: str

    def most(self, goal: str) -> float | None:
        """Share of the current rows that a step for `goal` may take; None where the plan says nothing of it."""
        for need in self.musts:
            if need.goal.name == goal:
                return max(need.loss, self.spare - sum_of([other for other in self.musts if other is not need]))
        for need in self.given_up:
            if need.goal.name == goal:
                return self.spare - reserve_of(self.musts) if self.musts else self.spare + need.error
        return next((share for need, share in self.shoulds if need.goal.name == goal), None)

    def verdict(self, goal: str, loss: float) -> str:
        """Why a step that takes `loss` of the rows is not for `goal`."""
        most = max(self.most(goal) or 0.0, 0.0)
        words = f"takes {loss:.1%} of the rows, and {most:.1%} may go for it: {self.gate} leaves {self.spare:.1%}"
        kept = [need for need in self.musts if need.goal.name != goal]
        if any(need.goal.name == goal for need, _ in self.shoulds):
            kept += [need for need in self.given_up if need.loss - need.error <= self.spare]
            words += f", waits for {', '.join(self.waits_for)}" if self.waits_for else ""
        return f"{words}, and keeps {', '.join(map(str, kept))}" if kept else words


def plan_losses(view: View) -> LossBudget | None:
    """Share out the rows that may go; None when no must gate says how many are to be kept, or it is lost already."""
    gate = floor_of(view.brief)
    now = view.card.value("retention")
    if gate is None or now is None or not gate.holds(now) or set(_FREE) & set(view.served):
        return None
    spare = 1 - gate.target / now
    found = candidates(view)
    goals = {candidate.goal.name: candidate.goal for candidate in found if candidate.goal.name not in _FREE}
    serving = {name: [candidate for candidate in found if candidate.goal is goal] for name, goal in goals.items()}
    repairs = [name for name, able in serving.items() if not all(candidate.method.removes for candidate in able)]
    needs = [need for name, able in serving.items() if name not in repairs and (need := _need_of(able, view))]
    musts = sorted((need for need in needs if need.goal.weight >= 1), key=lambda need: need.loss)
    held, conflict = tuple(musts), ""
    if _together(musts, spare, view) > spare + EPSILON:
        held = _best_choice(musts[:MOST_MUSTS], spare)
        conflict = _conflict(gate, spare, musts, held)
    given_up = tuple(need for need in musts if need not in held)
    first = [*held, *(need for need in given_up if need.loss - need.error <= spare)]
    over = spare - _together(first, spare, view) - _errors(first)
    waits_for = tuple(name for name in repairs if goals[name].gate is not None and goals[name].weight >= 1)
    hopes = [need for need in needs if need.goal.weight < 1]
    shares = _shares(hopes, min(over, 0.0) if waits_for else over, bool(first))
    return LossBudget(gate, spare, held, given_up, tuple(shares), waits_for, conflict)


def floor_of(brief: Brief) -> Gate | None:
    """The strictest must gate on how many rows are kept."""
    gates = [g for g in brief.gates if g.metric == "retention" and g.severity is Severity.MUST and g.op in (">=", ">")]
    return max(gates, key=lambda gate: gate.target, default=None)


def sum_of(needs: Sequence[Need]) -> float:
    """The most that steps can take together: the sum, a step that does another's work counted once."""
    return sum(need.loss for need in _distinct(needs))


def reserve_of(needs: Sequence[Need]) -> float:
    """`sum_of`, and what a sample may have hidden."""
    return sum_of(needs) + _errors(needs)


def _together(needs: Sequence[Need], enough: float, view: View) -> float:
    """What the steps take together; filters are tried as one on the sample where their sum is over `enough`."""
    most, distinct = sum_of(needs), _distinct(needs)
    filters = [need for need in distinct if need.method.tool == "clean"]
    if most <= enough + EPSILON or len(filters) < 2 or not view.sample_rows:
        return most
    params: dict[str, Any] = {}
    for need in filters:
        both = {**params.get("thresholds", {}), **need.params.get("thresholds", {})}
        params |= {**need.params, **({"thresholds": both} if both else {})}
    figures = view.try_on_sample(filters[0].method.name, params)
    if figures is None:
        return most
    others = sum(need.loss for need in distinct if need not in filters)
    return min(most, 1 - figures.get("sample_retention", 1.0) + others)


def _distinct(needs: Sequence[Need]) -> list[Need]:
    """The steps that are really taken: near-duplicate removal takes the exact copies too."""
    out: list[Need] = []
    for need in needs:
        same = any(other.method is need.method and other.params == need.params for other in out)
        covered = any(set(need.method.moves) < set(other.method.moves) for other in needs if other is not need)
        if not same and not covered:
            out.append(need)
    return out


def _errors(needs: Sequence[Need]) -> float:
    return sum(need.error for need in _distinct(needs))


def _need_of(serving: Sequence[Candidate], view: View) -> Need | None:
    """The cheapest of the steps that bring a goal nearest; None where nothing is known of any."""
    least = 1 - SHOULD_CAP if serving[0].goal.weight < 1 else view.brief.retention_floor
    able: list[tuple[tuple[float, float], Candidate, Trial]] = []
    for candidate in serving:
        for trial in foreseen(candidate, view):
            wanted = candidate.goal.weight >= 1 or is_worth(candidate, trial)
            if trial.kept >= least and wanted:
                able.append((trial.key, candidate, trial))
    if not able:
        return None
    _, best, trial = min(able, key=lambda entry: entry[0])
    left = min(trial.unmet, best.goal.gap)
    return Need(best.goal, best.method, trial.params, 1 - trial.kept, trial.error, left)


def _best_choice(needs: Sequence[Need], spare: float) -> tuple[Need, ...]:
    """Of the choices that fit, the one that holds most gates, then leaves least distance, then costs least."""

    def worth(choice: Sequence[Need]) -> tuple[int, float, float]:
        missing = [need for need in needs if need not in choice]
        distance = sum(need.left for need in choice) + sum(need.goal.gap for need in missing)
        return -sum(need.left == 0 for need in choice), round(distance, 6), sum_of(choice)

    every = (choice for size in range(len(needs) + 1) for choice in combinations(needs, size))
    return min((choice for choice in every if sum_of(choice) <= spare + EPSILON), key=worth, default=())


def _shares(hopes: Sequence[Need], over: float, musts: bool) -> list[tuple[Need, float]]:
    """What each gate that only should hold may take of the share `over`: first who closes most of its gap per row."""
    out = []
    for need in sorted(hopes, key=lambda n: (n.left - n.goal.gap) / max(n.loss, EPSILON)):
        share = over - need.error if musts else over  # what must go shall not depend on the luck of a sample
        out.append((need, share))
        if need.loss <= share:
            over -= need.loss
    return out


def _conflict(gate: Gate, spare: float, musts: Sequence[Need], held: Sequence[Need]) -> str:
    """Which must gates cannot all hold, with the figures."""
    needs = ", ".join(str(need) for need in sorted(musts, key=lambda need: need.loss))
    out = ", ".join(need.goal.name for need in musts if need not in held)
    kept = ", ".join(need.goal.name for need in held) or "none of them"
    return (
        f"must gates in conflict: {gate} lets {spare:.1%} of the rows go, and {needs} need up to {sum_of(musts):.1%} "
        f"together; reserved for: {kept}; not within reach: {out}"
    )
