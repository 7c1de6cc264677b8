"""The baselines: what they lack is only the choice."""

from __future__ import annotations

from corpusmith.agent.goals import open_goals
from corpusmith.agent.planner import STOP, View
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Metric, Scorecard
from corpusmith.core.rows import Shape
from corpusmith.evals.planners import FIXED_ORDER, FixedPlanner, RandomPlanner


def view(attempts=(), values=None) -> View:
    brief = Brief(request="x", gates=(Gate(metric="html_rate", op="<=", target=0.0),))
    card = Scorecard(metrics={k: Metric(value=v, n=10) for k, v in (values or {"html_rate": 0.5}).items()})
    return View(
        brief=brief, card=card, start=card, goals=tuple(open_goals(brief, card, ())), attempts=attempts,
        shape=Shape.TEXT, rows=10, data="d" * 32, served=(), has_evals=False, turns_left=9,
        try_on_sample=lambda _n, _p: None,
    )  # fmt: skip


def test_the_fixed_recipe_ignores_what_was_measured() -> None:
    assert FixedPlanner().decide(view()).method == FIXED_ORDER[0]
    assert FixedPlanner().decide(view(values={"html_rate": 0.0})).method == FIXED_ORDER[0]
    assert FixedPlanner().decide(view(), ("repeated: x",)).method == FIXED_ORDER[1]


def test_the_random_planner_repeats_itself_under_one_seed_only() -> None:
    drawn = [RandomPlanner(seed).decide(view()).method for seed in range(12)]
    assert drawn == [RandomPlanner(seed).decide(view()).method for seed in range(12)]
    assert len(set(drawn)) > 3
    assert STOP not in drawn
