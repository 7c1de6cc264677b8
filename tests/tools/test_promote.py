from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hand_made_models import GOOD, make_evaluation, make_model, plain_digest

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Effect
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import GUARDED, Runner
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace
from corpusmith.tools.promote import TOOL


@dataclass(frozen=True)
class Bench:
    runner: Runner
    registry: ModelRegistry

    def __call__(self, model: str, metrics: Any = None, evaluation: str | None = None, **more: Any) -> Any:
        ref = evaluation or make_evaluation(self.registry.artifacts, model, metrics)
        params = {"name": "news", **{k: v for k, v in more.items() if k != "base"}}
        roles = {"model": model, "evaluation": ref, **({"base": more["base"]} if "base" in more else {})}
        return self.runner.run_step(TOOL, params, roles)


@pytest.fixture
def promote(tmp_path: Path) -> Iterator[Bench]:
    workspace = Workspace.open(tmp_path / "ws")
    registry = ModelRegistry(workspace.database, workspace.artifacts, plain_digest, "tester")
    engine = LocalEngine(workers=1)
    yield Bench(Runner(workspace, engine, services={"registry": registry}), registry)
    engine.close()
    workspace.close()


@pytest.fixture
def model(promote: Bench) -> Callable[[str], str]:
    return lambda weights: make_model(promote.registry.artifacts, weights)


def test_it_registers_promotes_and_the_second_time_says_so(promote: Bench, model: Any) -> None:
    one = model("one")
    done = promote(one)
    assert done.result["promoted"]
    assert (done.result["version"], done.result["before"], done.result["failed"]) == (1, None, [])
    assert {gate["metric"] for gate in done.result["gates"]} == {"accuracy", "gain_over_plain_low"}
    assert json.loads(done.artifact.file("promotion.json").read_text())["promoted"]
    again = promote(one)
    assert (again.result["promoted"], again.result["already"]) == (False, True)
    assert len(promote.registry.events("news")) == 2


def test_a_step_that_was_killed_after_the_move_ends_well_when_it_runs_again(promote: Bench, model: Any) -> None:
    one = model("one")
    version = promote.registry.register("news", one)
    evaluation = make_evaluation(promote.registry.artifacts, one)
    promote.registry.promote(version, evaluation, expected=None, why="killed before the record was written")
    done = promote(one, evaluation=evaluation)
    assert done.result["already"]
    assert promote.registry.aliases("news").previous is None


def test_what_fails_is_a_result_that_says_why(promote: Bench, model: Any) -> None:
    done = promote(model("one"), {**GOOD, "accuracy": None})
    assert not done.result["promoted"]
    assert any("accuracy" in line for line in done.result["failed"])
    assert promote.registry.aliases("news").champion is None
    floor = [{"metric": "accuracy", "op": ">=", "target": 0.9}]
    assert not promote(model("one"), gates=floor).result["promoted"]
    assert promote(model("one")).result["promoted"]


def test_the_champion_that_the_caller_saw_must_still_be_it(promote: Bench, model: Any) -> None:
    one, two = model("one"), model("two")
    promote(one, expected=0)
    with pytest.raises(PreconditionError, match="is version 1, no longer none"):
        promote(two, expected=0)
    compared = make_evaluation(promote.registry.artifacts, two, champion=one)
    assert promote(two, evaluation=compared, expected=1).result["before"] == 1


def test_another_base_and_a_context_without_a_registry_are_refused(promote: Bench, model: Any) -> None:
    with pytest.raises(PreconditionError, match="not from"):
        promote(model("one"), base=model("two"))
    promote.runner.services = {}
    with pytest.raises(PreconditionError, match="no registry"):
        promote(model("one"))


def test_it_asks_nobody_since_nothing_leaves_the_machine() -> None:
    assert not GUARDED & TOOL.effects
    assert Effect.PUBLISH not in TOOL.effects
