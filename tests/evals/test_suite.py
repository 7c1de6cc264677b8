"""The agent beats a fixed recipe and a random planner on three differently damaged corpora, by different paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.apps.commands.evals import run_once
from corpusmith.evals.suite import PROFILES, run_suite


@pytest.mark.slow
def test_the_agent_beats_both_baselines_by_paths_that_differ(tmp_path: Path) -> None:
    rows = {(row.profile, row.planner): row for row in run_suite(tmp_path, run_once, seed=5, rows=260)}
    assert len(rows) == 9
    for profile in PROFILES:
        agent = rows[profile, "rules"]
        assert agent.overall > rows[profile, "fixed"].overall, profile
        assert agent.overall > rows[profile, "random"].overall, profile
        assert agent.score.removable.precision >= 0.95, agent.score.false_drops
        assert agent.score.orders_obeyed == 0
        assert agent.score.lost_rows == 0
    assert len({rows[profile, "rules"].path for profile in PROFILES}) == 3
