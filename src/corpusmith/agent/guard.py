"""The guard: code, not a model, between a proposal and the world.

It holds a proposal against the catalogue, the tool's schema, preconditions, the budget and what was tried before, and
answers with typed reasons that a planner can act on. Approvals are the runner's (`engine.runner`): they guard the
effect itself, whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpusmith.agent.candidates import Candidate, candidates, spends_drawn_rows
from corpusmith.agent.goals import Goal
from corpusmith.agent.loss_budget import EPSILON, plan_losses
from corpusmith.agent.methods import CATALOGUE, Method, too_late
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.trials import foreseen
from corpusmith.core.errors import ParameterError
from corpusmith.core.gates import Gate
from corpusmith.core.metrics import METRICS
from corpusmith.core.tools import Tool
from corpusmith.engine.runner import parse_params

MOST_EMPTIED = 0.1
"""Most rows a step that should only repair may leave without text: lines that are all of a row are no boilerplate."""


def objections(proposal: Proposal, view: View, tools: Mapping[str, Tool[Any]]) -> tuple[str, ...]:
    """What speaks against running the proposal; empty = run it. Each line starts with its type."""
    if proposal.method == STOP:
        left = {candidate.goal.name for candidate in candidates(view)} if view.turns_left > 0 else set()
        wishes = [g.name for g in view.goals if isinstance(g, Goal) and g.is_wish and g.name in left]
        return (f"unfinished: {', '.join(wishes)} still to be done before stopping",) if wishes else ()
    if proposal.method not in CATALOGUE:
        return (f"unknown_method: {proposal.method!r}; there are: {', '.join(CATALOGUE)}",)
    method = CATALOGUE[proposal.method]
    found = []
    if proposal.metric is not None and proposal.metric not in method.moves:
        found.append(f"wrong_goal: {method.name} moves {', '.join(method.moves)}, not {proposal.metric}")
    if not method.needs(view):
        found.append(f"precondition: {method.name} cannot run on {view.shape.value} rows as they are")
    if too_late(method, view):
        found.append(f"precondition: {method.name} after the split would undo it")
    if method.wish() is not None and f"wish:{method.wish()}" not in {goal.name for goal in view.goals}:
        found.append(f"not_asked: nobody asked for {method.wish()}, or it is done")
    try:
        parse_params(tools[method.tool], proposal.params)
    except ParameterError as error:
        found.append(f"bad_arguments: {error.message}")
    for attempt in view.attempts:
        same = attempt.method == proposal.method and attempt.params == proposal.params
        if same and (attempt.data == view.data or not attempt.kept):
            found.append(f"repeated: {method.name} with these parameters was {attempt.outcome}")
            break
    if view.turns_left <= 0:
        found.append("budget: no turns left")
    return tuple(found or _spends_what_is_reserved(proposal, method, view))


def _spends_what_is_reserved(proposal: Proposal, method: Method, view: View) -> list[str]:
    """A filter for a gate that only should hold takes neither drawn rows nor those that a must gate needs."""
    served = [g for g in view.goals if g.name in method.moves and proposal.metric in (None, g.name)]
    if not method.removes or not served or any(goal.weight >= 1 for goal in served):
        return []
    if any(spends_drawn_rows(method, goal, view) for goal in served):
        return [f"too_late: {method.name} would drop rows that were drawn, for a gate that only should hold"]
    budget = plan_losses(view)
    if budget is None:
        return []
    found = []
    for goal in served:
        most = budget.most(goal.name)
        loss = max((1 - t.kept for t in foreseen(Candidate(method, goal, (proposal.params,)), view)), default=0.0)
        if most is not None and loss > most + EPSILON:
            found.append(f"reserved: {method.name} {budget.verdict(goal.name, loss)}")
    return found


def verdict_on(
    view: View,
    metric: str | None,
    after: Mapping[str, float],
    rows_after: int,
    retained_of_input: float,
    removes: bool = True,
) -> tuple[bool, str]:
    """Whether a step is kept, and why: the scorecard decides.

    Args:
        view: What stood before the step.
        metric: The goal it should have moved.
        after: Metric values on its result.
        rows_after: Rows of its result.
        retained_of_input: Share of the step's input rows that its result still represents.
        removes: Whether the method drops rows. One that does not may bring to light what a filter is for (masking
            makes copies alike): the gate it opens again is a goal again, not a reason to undo it.
    """
    brief = view.brief
    if metric == "wish:format" and rows_after:
        return True, "done as asked"  # without its files a run has no result; the gates are judged on them at the end
    drawn = metric is not None and metric in ("wish:sample", "wish:balance", "wish:generate", "rows", "tokens")
    loss = _too_much_lost(view, after, rows_after, 1.0 if drawn else retained_of_input, removes)
    if loss:
        return False, loss
    for gate in brief.gates:
        if gate.severity.value != "must" or gate.metric == metric or METRICS[gate.metric].scope == "splits":
            continue
        if drawn and gate.metric in ("retention", "source_retention_min"):
            continue
        before_value = view.card.value(gate.metric)
        if not removes and any(gate.metric in m.moves and m.removes and m.needs(view) for m in CATALOGUE.values()):
            continue
        if gate.metric in ("rows", "tokens") and not drawn:
            continue  # how much is left is judged at the end: junk does not stay to make up the number
        if gate.holds(before_value) and not gate.holds(after.get(gate.metric)) and _more_offend(gate, view, after):
            return False, f"it breaks {gate}: {before_value:.4g} -> {after.get(gate.metric, float('nan')):.4g}"
    if metric is None or metric.startswith("wish:"):
        return True, "done as asked"
    gates = [gate for gate in brief.gates if gate.metric == metric]
    before, now = view.card.value(metric), after.get(metric)
    if all(gate.holds(now) for gate in gates):
        return True, f"{metric} {_shown(before)} -> {_shown(now)}: its gate holds"
    gap_before = sum(gate.distance(before) for gate in gates)
    gap_now = sum(gate.distance(now) for gate in gates)
    if gap_now < gap_before - 1e-12:
        return True, f"{metric} {_shown(before)} -> {_shown(now)}: nearer, its gate not met yet"
    return False, f"{metric} {_shown(before)} -> {_shown(now)}: no nearer to its gate"


def _too_much_lost(
    view: View, after: Mapping[str, float], rows_after: int, retained: float, removes: bool
) -> str | None:
    """Why a step lost too much (rows, a source's rows, the text of rows it should only repair), or None."""
    brief = view.brief
    if rows_after == 0:
        return "it left no rows"
    if retained < brief.retention_floor:
        return f"it left {retained:.1%} of its input, under the floor of {brief.retention_floor:.0%}"
    source_min = after.get("source_retention_min")
    if retained < 1 and source_min is not None and brief.source_floor and source_min < brief.source_floor:
        return f"one source keeps only {source_min:.1%}, under the floor of {brief.source_floor:.0%}"
    empty_before = (view.card.value("empty_rate") or 0.0) * view.rows
    emptied = (after.get("empty_rate", 0.0) * rows_after - empty_before) / max(view.rows, 1)
    if not removes and emptied > MOST_EMPTIED:
        return f"it empties {emptied:.1%} of the rows, over the bound of {MOST_EMPTIED:.0%}"
    return None


def _more_offend(gate: Gate, view: View, after: Mapping[str, float]) -> bool:
    """Whether more rows offend than before: a share also grows when good company leaves, and that breaks nothing."""
    info, value = METRICS[gate.metric], after.get(gate.metric)
    if info.unit != "share" or value is None or info.scope == "run":
        return True
    share_before = view.card.value(gate.metric) or 0.0
    if info.better == "higher":
        share_before, value = 1 - share_before, 1 - value
    return value * after.get("rows", 0.0) > share_before * view.rows + 0.5


def _shown(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
