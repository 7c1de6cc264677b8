"""Planners to beat: a fixed recipe, the same whatever the data, and a random walk over the catalogue.

Both go through the same guard, measuring and keeping or rolling back as the real planners, so what they lack
is only the choice.
"""

from __future__ import annotations

import random
from typing import Literal

from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import CATALOGUE, Method
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request

FIXED_ORDER = (
    "gopher-quality",
    "gopher-repetition",
    "c4-page-rules",
    "exact-dedup",
    "near-dedup-join",
    "pii-masking",
    "language-id",
    "ngram-decontamination",
    "seeded-draw",
    "deliver",
)
"""A common published order: heuristic filters, dedup, masking, language; nothing is repaired first."""


class FixedPlanner:
    """Runs `FIXED_ORDER`, each method once with its first setting, whatever was measured."""

    name: Literal["fixed"] = "fixed"

    def understand(self, request: Request) -> Brief:
        """The same brief as the rules planner's."""
        return understand(request)

    def decide(self, view: View, rejected: tuple[str, ...] = ()) -> Proposal:
        """The next method of the fixed order that was not tried yet."""
        tried = {attempt.method for attempt in view.attempts}
        skip = len(rejected)
        for name in FIXED_ORDER:
            method = CATALOGUE[name]
            if name in tried or not _possible(method, view):
                continue
            if skip:
                skip -= 1
                continue
            return _run(method, view, 0, "fixed")
        return Proposal(planner="fixed", method=STOP, why="the fixed recipe is at its end")


class RandomPlanner:
    """Picks any method that can run, and any of its settings; delivers when it has no turns to lose.

    Args:
        seed: Seed of its choices.
    """

    name: Literal["random"] = "random"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def understand(self, request: Request) -> Brief:
        """The same brief as the rules planner's."""
        return understand(request)

    def decide(self, view: View, rejected: tuple[str, ...] = ()) -> Proposal:
        """A random admissible method; delivery in the last turns, so that there is a result to judge."""
        dice = random.Random(f"{self._seed}.{len(view.attempts)}.{len(rejected)}")
        wishes = [g.name for g in view.goals if isinstance(g, Goal) and g.is_wish]
        last = len(view.attempts) >= 8 or not view.goals
        pool = [m for m in CATALOGUE.values() if _possible(m, view)]
        if not pool or (last and not wishes):
            return Proposal(planner="random", method=STOP, why="enough")
        if last:
            pool = [m for m in pool if set(m.moves) & set(wishes)] or pool
            order = list(CATALOGUE)
            return _run(min(pool, key=lambda m: order.index(m.name)), view, 0, "random")
        calm = [m for m in pool if m.wish() is None] or pool
        method = dice.choice(calm)
        return _run(method, view, dice.randrange(len(method.settings(view))), "random")


def _possible(method: Method, view: View) -> bool:
    wish = method.wish()
    if wish is not None and f"wish:{wish}" not in {goal.name for goal in view.goals}:
        return False
    return method.needs(view) and bool(method.settings(view))


def _run(method: Method, view: View, setting: int, planner: Literal["fixed", "random"]) -> Proposal:
    return Proposal(
        planner=planner,
        method=method.name,
        params=dict(method.settings(view)[setting]),
        metric=method.moves[0],
        why="the recipe says so" if planner == "fixed" else "drawn",
    )
