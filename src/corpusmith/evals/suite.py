"""The suite that judges the agent: differently damaged corpora with planted truth, the agent beside baselines.

For every profile of `evals.planting` the corpus is planted, each planner runs the same request on it, and the results
are held against the truth. The table shows the path each planner took, so that "the paths differ" can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpusmith.agent.planner import Planner
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.evals.judge import score_run
from corpusmith.evals.planners import FixedPlanner, RandomPlanner
from corpusmith.evals.planting import plant
from corpusmith.evals.planting.truth import PlantedTruth
from corpusmith.evals.truth_score import TruthScore

PROFILES = ("crawl", "multilingual", "instructions")

RunOnce = Callable[[Planner, PlantedTruth, Path], dict[str, Any]]
"""Runs a planner on a planted corpus in a workspace and gives the run's outcome."""


@dataclass(frozen=True)
class SuiteRow:
    """One planner on one corpus."""

    profile: str
    planner: str
    score: TruthScore
    status: int
    path: tuple[str, ...]
    rolled_back: int
    run_id: str = ""
    workspace: Path = Path()

    @property
    def overall(self) -> float:
        """Mean of the headline figures (precision, recall, near-copy F1, masked, evaluation items found), 0-1."""
        figures = self.score.headline().values()
        return sum(figures) / len(figures)

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        score = self.score
        return (
            self.profile,
            self.planner,
            f"{self.overall:.3f}",
            f"{score.removable.precision:.3f}",
            f"{score.removable.recall:.3f}",
            str(self.status),
            f"{len(self.path)}+{self.rolled_back}",
            " > ".join(self.path),
        )


HEAD = ("corpus", "planner", "score", "precision", "recall", "exit", "kept+undone", "path")


def run_suite(
    folder: Path, run_once: RunOnce, *, seed: int = 11, rows: int = 900, profiles: Sequence[str] = PROFILES
) -> list[SuiteRow]:
    """Run every planner on every profile.

    Args:
        folder: Where corpora and workspaces go; must be empty.
        run_once: Runs one planner (the composition root gives it).
        seed: Seed of the damages and of the random planner.
        rows: Rows of each corpus.
        profiles: Which corpora.
    """
    planners: list[Planner] = [RulesPlanner(), FixedPlanner(), RandomPlanner(seed)]
    out = []
    for profile in profiles:
        truth = plant(folder / profile, profile=profile, seed=seed, rows=rows)
        for planner in planners:
            workspace = folder / f"{profile}-{planner.name}"
            outcome = run_once(planner, truth, workspace)
            score = score_run(truth, workspace, outcome["run_id"])
            path = tuple(a["method"] for a in outcome["attempts"] if a["kept"])
            undone = sum(not a["kept"] for a in outcome["attempts"])
            row = SuiteRow(profile, planner.name, score, outcome["status"], path, undone, outcome["run_id"], workspace)
            out.append(row)
    return out
