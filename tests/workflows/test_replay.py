"""Recipes and their replay: the same content on the same input, and on other input the step whose assumption broke."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpusmith.core.errors import ParameterError, UsageError
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.workspace import Workspace
from corpusmith.tools.registry import TOOLS
from corpusmith.workflows.recipe import Recipe, load_recipe, recipe_text
from corpusmith.workflows.replay import Replay, refuse_unknown, replay


@pytest.fixture
def recipe(finished: Any) -> Recipe:
    return load_recipe(Path(finished.outcome["recipe"]))


def again(recipe: Recipe, folder: Path, sources: list[str] | None = None) -> Replay:
    workspace = Workspace.open(folder / "again")
    try:
        return replay(recipe, Runner(workspace, LocalEngine()), TOOLS, sources)
    finally:
        workspace.close()


def test_a_recipe_round_trips(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(recipe_text(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert recipe.steps[0].tool == "ingest"
    assert recipe.result == recipe.steps[-1].name
    assert len({step.name for step in recipe.steps}) == len(recipe.steps)


def test_the_same_input_gives_the_same_content_in_another_workspace(
    recipe: Recipe, finished: Any, tmp_path: Path
) -> None:
    done = again(recipe, tmp_path)
    assert done.same
    assert done.dataset == finished.outcome["dataset"]["artifact"]
    then = {gate["metric"]: gate["passed"] for gate in finished.outcome["gates"]}
    assert {gate.metric: gate.passed for gate in done.gates} == then
    assert len(done.broken) == list(then.values()).count(False)


def test_other_input_names_the_gate_and_the_step_that_was_to_reach_it(recipe: Recipe, tmp_path: Path) -> None:
    rows = [
        {"text": f"Entry {n} of another chronicle, which tells of the year {1900 + n} and its harvest."}
        for n in range(5)
    ]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = again(recipe, tmp_path, [str(tmp_path / "new.jsonl")])
    assert not done.same
    assert any(line.startswith("gate rows >= 12 is ") for line in done.broken)
    assert {gate.metric for gate in done.gates} == {gate.metric for gate in recipe.gates}


def test_a_step_that_takes_far_more_than_it_did_is_named(recipe: Recipe, tmp_path: Path) -> None:
    text = "The harbour master keeps a ledger of every boat that leaves before dawn and of every crew that comes home."
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for _ in range(30)))
    done = again(recipe, tmp_path, [str(tmp_path / "new.jsonl")])
    broken = [step.name for step in done.steps if step.broken]
    assert [name.split("-")[0] for name in broken] == ["dedup"]
    assert f"{broken[0]} took most" in " ".join(done.broken)


def test_input_that_cannot_be_used_names_the_step(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"step ingest-1 cannot run"):
        again(recipe, tmp_path, [str(tmp_path / "gone.jsonl")])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tool": "juggle"}, "here is none"),
        ({"version": 99}, "here is version"),
        ({"params": {"juggle": True}}, "juggle"),
        ({"inputs": {"data": "later-1"}}, "later-1"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused(recipe: Recipe, change: dict[str, Any], says: str) -> None:
    last = recipe.steps[-1].model_copy(update=change)
    with pytest.raises(ParameterError, match=says):
        refuse_unknown(recipe.model_copy(update={"steps": (*recipe.steps[:-1], last)}), TOOLS)


def test_a_recipe_without_its_result_is_refused(recipe: Recipe) -> None:
    with pytest.raises(ParameterError, match="no step makes"):
        refuse_unknown(recipe.model_copy(update={"result": "cake-1"}), TOOLS)
    with pytest.raises(ParameterError, match="held against 'cake-1'"):
        refuse_unknown(recipe.model_copy(update={"beside": {"docs.0": "cake-1"}}), TOOLS)


def test_a_fault_of_the_file_is_named(recipe: Recipe, tmp_path: Path) -> None:
    data = yaml.safe_load(recipe_text(recipe))
    data["steps"][0]["colour"] = "red"
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ParameterError, match=r"steps\.0\.colour"):
        load_recipe(tmp_path / "r.yaml")
