"""What a step that removes rows would do: its settings tried on a fixed sample, or counted on the whole corpus.

Copies and the like cannot be seen in a sample; what a method for them removes is the share that the profile counted.
What a sample shows is held against the same counts: of all rows, a filter takes no more than offend against its gates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusmith.agent.candidates import Candidate, spent
from corpusmith.agent.methods import Method
from corpusmith.agent.planner import View
from corpusmith.core.decisions import Option
from corpusmith.core.metrics import METRICS

MIN_STEP = 0.15
"""Least share of the gap that a step for a gate that only should hold must close."""

RULE_CAP = 0.05
"""Share of rows from which a published rule is taken to describe the genre of the corpus rather than its junk."""

RULE_ROWS = 5
"""Fewest rows that say anything about a genre."""

RULE_FAMILIES = frozenset({"gopher_quality", "gopher_repetition", "c4", "fineweb"})


@dataclass(frozen=True)
class Trial:
    """One setting of a candidate, with what it would do.

    Attributes:
        params: The setting.
        value: The goal's metric after it; None where nothing was measured.
        kept: Share of the rows that it keeps; on the sample, or more where the profile counted fewer that offend.
        error: Half the width of a 95 % interval about `kept`; 0 where all rows were counted.
        unmet: How far its gate then is from holding; 0 for wishes.
        figures: Every figure of the sample.
    """

    params: dict[str, Any]
    value: float | None
    kept: float
    error: float
    unmet: float
    figures: Mapping[str, float]

    @property
    def key(self) -> tuple[float, float]:
        """For ordering: nearest to its gate, then removes least."""
        return round(self.unmet, 4), -round(self.kept, 3)


def is_sampled(method: Method, view: View) -> bool:
    """Whether the method's settings are tried on a sample before one is chosen."""
    return method.removes and method.on_sample and view.sample_rows > 0


def run_trials(candidate: Candidate, view: View) -> tuple[list[Trial], list[Option]]:
    """Each setting on the sample, then without the published rules that proved blunt there.

    Returns:
        The trials, in the order of the settings, and an option for each setting that cannot run there.
    """
    method, goal = candidate.method, candidate.goal
    done: list[Trial] = []
    failed: list[Option] = []
    queue = list(candidate.settings)
    most = _most_lost(method, view)
    for params in queue:
        figures = view.try_on_sample(method.name, params)
        if figures is None:
            failed.append(Option(method=method.name, params=params, verdict="cannot run on the sample"))
            continue
        lost = 1 - figures.get("sample_retention", 1.0)
        excess = max(lost / most, 1.0) if most else 1.0
        milder = _without_blunt_rules(params, figures, excess, view.sample_rows)
        if milder is not None and milder not in queue and not spent(method, milder, view, goal):
            queue.append(milder)
        value, kept = figures.get(goal.name), 1 - lost / excess
        unmet = goal.gate.distance(value) if goal.gate is not None else 0.0
        done.append(Trial(params, value, kept, _error(kept, view), unmet, dict(figures)))
    return done, failed


def foreseen(candidate: Candidate, view: View) -> list[Trial]:
    """What each setting of a method that removes rows would do; empty where nothing can be said.

    A method that no sample can show is taken to reach its gate at the price of every row that offends.
    """
    method = candidate.method
    if is_sampled(method, view):
        return run_trials(candidate, view)[0]
    counted = [value for metric in method.moves if (value := view.card.value(metric)) is not None]
    if counted:
        return [Trial(params, None, 1 - max(counted), 0.0, 0.0, {}) for params in candidate.settings[:1]]
    return run_trials(candidate, view)[0] if view.sample_rows else []


def is_worth(candidate: Candidate, trial: Trial) -> bool:
    """Whether a step meets its gate or closes enough of the gap; a share falls by no more than the rows that go."""
    gap = candidate.goal.gap
    return trial.unmet == 0 or min(gap - trial.unmet, 1 - trial.kept) >= MIN_STEP * gap


def _error(kept: float, view: View) -> float:
    if view.sample_rows >= view.rows:
        return 0.0
    return 2 * math.sqrt(max(kept * (1 - kept), 0.0) / max(view.sample_rows, 1))


def _most_lost(method: Method, view: View) -> float | None:
    """Share of all rows that offend against the gates the method moves, as counted; None where one was not measured."""
    lost = 0.0
    for metric in method.moves:
        value = view.card.value(metric)
        if value is None:
            return None
        lost += value if METRICS[metric].better == "lower" else 1 - value
    return lost


def _without_blunt_rules(
    params: dict[str, Any], figures: Mapping[str, float], excess: float, rows: int
) -> dict[str, Any] | None:
    """The setting without the published rules that alone take more than `RULE_CAP` of the rows, or None.

    `excess` is how many times too many rows the sample holds that offend.

    Such a rule describes the genre (code, lists, verse), not junk: thresholds do not cross genres, and blunt heuristics
    cost a fifth of high-quality tokens (Nemotron-CC).
    """
    if not RULE_FAMILIES & params.keys():
        return None
    cap = max(RULE_CAP, (RULE_ROWS - 0.5) / max(rows, 1))
    blunt = {
        key.removeprefix("dropped:"): None
        for key, n in figures.items()
        if key.startswith("dropped:") and n > cap * excess
    }
    if not blunt:
        return None
    return {**params, "thresholds": {**params.get("thresholds", {}), **blunt}}
