"""A trigger: a new version of the dataset trains, is judged beside the champion, and takes its place or does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from phases_corpus import ASKED, ROWS, registry_of, story

from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.workflows.recipe import load_recipe
from corpusmith.workflows.replay import Replay, replay


@pytest.fixture
def finished(run_model: Any) -> tuple[dict[str, Any], Any]:
    done: tuple[dict[str, Any], Any] = run_model(ASKED, ROWS)
    return done


def again(finished: tuple[dict[str, Any], Any], script: Any, recipe: Path, sources: list[str] | None = None) -> Replay:
    registry = registry_of(finished[1])
    runner = Runner(finished[1].runner.workspace, LocalEngine(), services={"registry": registry})
    return replay(load_recipe(recipe), runner, script.tools(), sources)


def test_on_the_same_input_nothing_is_trained_again(finished, script) -> None:
    done = again(finished, script, Path(finished[0]["recipe"]))
    assert done.same
    assert len(script.trained) == 1
    assert done.model is not None
    assert (done.model.ref, done.model.promoted) == ("model@1", True)
    assert all(gate.passed for gate in done.gates if gate.severity == "must")


def test_a_new_version_trains_and_is_promoted_over_the_champion(finished, script, tmp_path) -> None:
    script.gains = [0.2, 0.5]
    source = tmp_path / "more.jsonl"
    source.write_text("".join(json.dumps({"text": story(n)}) + "\n" for n in range(100, 150)))
    done = again(finished, script, Path(finished[0]["recipe"]), [str(source)])
    assert not done.same
    assert len(script.trained) == 2
    assert done.model is not None
    assert (done.model.ref, done.model.promoted) == ("model@2", True)
    assert "champion" in script.evaluated[-1][1]
    aliases = registry_of(finished[1]).aliases("model")
    assert (aliases.champion, aliases.previous) == (2, 1)


def test_one_that_is_no_better_than_its_base_stays_a_candidate(finished, script, tmp_path) -> None:
    script.gains = [0.2, 0.0]
    source = tmp_path / "more.jsonl"
    source.write_text("".join(json.dumps({"text": story(n)}) + "\n" for n in range(100, 150)))
    done = again(finished, script, Path(finished[0]["recipe"]), [str(source)])
    assert done.model is not None
    assert done.model.promoted is False
    assert any("gain_over_base_low" in why for why in done.model.refused)
    assert any("the model that was trained" in line for line in done.broken)
    assert registry_of(finished[1]).aliases("model").champion == 1


def test_nothing_is_started_on_data_that_fails_its_gates(finished, script, tmp_path) -> None:
    recipe = yaml.safe_load(Path(finished[0]["recipe"]).read_text())
    recipe["gates"].append({"metric": "rows", "op": ">=", "target": 1000, "severity": "must", "why": "so many"})
    edited = tmp_path / "edited.yaml"
    edited.write_text(yaml.safe_dump(recipe))
    done = again(finished, script, edited)
    assert done.model is not None
    assert not done.model.started
    assert "rows >= 1000" in done.model.why
    assert len(script.trained) == 1
