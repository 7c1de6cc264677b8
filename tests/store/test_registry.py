from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hand_made_models import GOOD, make_evaluation, make_model, plain_digest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.core.gates import Gate
from corpusmith.store.model_records import ModelVersion
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace

DATA = "a" * 32


def open_registry(root: Path) -> ModelRegistry:
    workspace = Workspace.open(root)
    return ModelRegistry(workspace.database, workspace.artifacts, plain_digest, "tester", "r-1")


@dataclass(frozen=True)
class Bench:
    registry: ModelRegistry
    base: str

    def model(self, weights: str, **given: Any) -> ModelVersion:
        artifact = make_model(self.registry.artifacts, weights, base=self.base, data=DATA, **given)
        return self.registry.register("news", artifact)

    def evaluation(self, version: ModelVersion, metrics: Any = None, champion: ModelVersion | None = None) -> str:
        return make_evaluation(
            self.registry.artifacts, version.artifact, metrics, base=self.base, train=DATA,
            champion=champion.artifact if champion else None,
        )  # fmt: skip

    def champion(self, weights: str = "one") -> ModelVersion:
        version = self.model(weights)
        assert self.registry.promote(version, self.evaluation(version), expected=None, why="first").promoted
        return version


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    registry = open_registry(tmp_path / "ws")
    yield Bench(registry, make_model(registry.artifacts, "base"))
    registry.database.close()


def test_versions_count_up_and_the_same_digest_keeps_its_own(bench: Bench) -> None:
    one, two = bench.model("one"), bench.model("two")
    assert (one.ref, two.ref) == ("news@1", "news@2")
    assert bench.model("one") == one
    assert bench.registry.aliases("news").candidate == 2
    assert (one.data, one.by, one.run_id, one.base) == (DATA, "tester", "r-1", bench.base)
    assert [event.action for event in bench.registry.events("news")] == ["register", "register"]


def test_references(bench: Bench) -> None:
    one = bench.champion()
    two = bench.model("two")
    find = bench.registry.resolve
    assert [find(ref) for ref in ("news", "news@1", "news@champion", one.artifact)] == [one] * 4
    assert [find(ref) for ref in ("news@candidate", "news@2", two.artifact[:12], two.digest)] == [two] * 4
    for ref in ("news@3", "news@previous", "olds", "news@", "", "ffff"):
        with pytest.raises(NotFoundError):
            find(ref)


def test_a_name_that_cannot_be_one_is_refused(bench: Bench) -> None:
    artifact = make_model(bench.registry.artifacts, "one")
    for name in ("", "a@b", "../x", "a b", "x" * 97):
        with pytest.raises(ParameterError):
            bench.registry.register(name, artifact)


def test_files_that_are_not_those_of_the_digest_are_not_registered(bench: Bench) -> None:
    artifact = make_model(bench.registry.artifacts, "one")
    weights = bench.registry.artifacts.open(artifact).file("model/model.safetensors")
    weights.write_bytes(b"0ne")
    with pytest.raises(PreconditionError, match="not those that were recorded"):
        bench.registry.register("news", artifact)
    assert bench.registry.versions() == []


def test_a_training_that_ended_in_nan_is_not_registered(bench: Bench) -> None:
    for number, result in enumerate(({"nan": True, "loss": 1.0}, {"loss": None})):
        with pytest.raises(PreconditionError, match="no number"):
            bench.model(f"m{number}", result=result)


def test_an_adapter_whose_base_is_another_is_not_registered(bench: Bench) -> None:
    with pytest.raises(PreconditionError, match="made from digest"):
        bench.model("one", base_digest="0" * 64)


def test_promotion_moves_the_champion_and_says_who_and_why(bench: Bench) -> None:
    one = bench.champion()
    two = bench.model("two")
    evaluation = bench.evaluation(two, champion=one)
    done = bench.registry.promote(two, evaluation, expected=1, why="it is better")
    assert done.promoted
    aliases = bench.registry.aliases("news")
    assert (aliases.champion, aliases.previous, aliases.candidate) == (2, 1, None)
    event = bench.registry.events("news")[-1]
    assert (event.from_version, event.to_version, event.by, event.why) == (1, 2, "tester", "it is better")
    assert event.evaluation == evaluation
    assert event.report is not None
    assert all(gate["passed"] for gate in event.report["gates"])
    (kept,) = bench.registry.evaluations(two)
    assert (kept.data_digest, kept.passed, kept.champion, kept.digest) == ("d" * 64, True, 1, two.digest)
    again = bench.registry.promote(two, evaluation, expected=1, why="again")
    assert (again.promoted, again.already) == (False, True)
    assert len(bench.registry.events("news")) == 4


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({**GOOD, "accuracy": None}, "accuracy"),
        ({**GOOD, "gain_over_base_low": None}, "gain_over_base_low"),
        ({**GOOD, "gain_over_champion_low": -0.2}, "gain_over_champion_low"),
        ({**GOOD, "gain_over_plain_low": -0.2}, "gain_over_plain_low"),
        ({name: GOOD[name] for name in GOOD if name != "gain_over_champion_low"}, "was not measured"),
        ({}, "accuracy was not measured"),
    ],
)
def test_a_gate_that_does_not_hold_keeps_the_champion(bench: Bench, metrics: Any, said: str) -> None:
    one, two = bench.champion(), bench.model("two")
    done = bench.registry.promote(two, bench.evaluation(two, metrics, champion=one), expected=1, why="try")
    assert not done.promoted
    assert done.report is not None
    assert any(said in line for line in done.report.why_not())
    assert bench.registry.aliases("news").champion == 1
    assert [e.passed for e in bench.registry.evaluations(two)] == [False]
    assert len(bench.registry.events("news")) == 3


def test_a_floor_that_was_asked_for_counts(bench: Bench) -> None:
    one = bench.model("one")
    floors = (Gate(metric="accuracy", op=">=", target=0.9),)
    done = bench.registry.promote(one, bench.evaluation(one), expected=None, why="try", floors=floors)
    assert not done.promoted


def test_an_evaluation_under_another_digest_promotes_nothing(bench: Bench) -> None:
    one, two = bench.model("one"), bench.model("two")
    with pytest.raises(PreconditionError, match="not of news@2"):
        bench.registry.promote(two, bench.evaluation(one), expected=None, why="try")
    forged = make_evaluation(bench.registry.artifacts, one.artifact, digest=two.digest)
    with pytest.raises(PreconditionError, match="was given another model"):
        bench.registry.promote(two, forged, expected=None, why="try")
    assert bench.registry.aliases("news").champion is None


@pytest.mark.parametrize("without", ["base", "champion", "train"])
def test_an_evaluation_that_compared_with_something_else_promotes_nothing(bench: Bench, without: str) -> None:
    one, two, store = bench.champion(), bench.model("two"), bench.registry.artifacts
    other = bench.model("three").artifact
    right = {"base": bench.base, "champion": one.artifact, "train": DATA}
    for wrong in (None, "b" * 32 if without == "train" else other):
        evaluation = make_evaluation(store, two.artifact, **{**right, without: wrong})
        assert not bench.registry.promote(two, evaluation, expected=1, why="try").promoted
    assert bench.registry.promote(two, make_evaluation(store, two.artifact, **right), expected=1, why="try").promoted


def test_weights_changed_after_registration_are_neither_promoted_nor_rolled_back_to(bench: Bench) -> None:
    one, two = bench.champion(), bench.model("two")
    evaluation = bench.evaluation(two, champion=one)
    weights = bench.registry.artifacts.open(two.artifact).file("model/model.safetensors")
    weights.write_bytes(b"tw0")
    with pytest.raises(PreconditionError, match="not those that were recorded"):
        bench.registry.promote(two, evaluation, expected=1, why="try")
    weights.write_bytes(b"two")
    assert bench.registry.promote(two, evaluation, expected=1, why="try").promoted
    bench.registry.artifacts.open(one.artifact).file("model/model.safetensors").write_bytes(b"0ne")
    with pytest.raises(PreconditionError, match="not those that were recorded"):
        bench.registry.rollback("news", "back")
    assert bench.registry.aliases("news").champion == 2


def test_what_is_no_evaluation_is_refused(bench: Bench) -> None:
    one = bench.model("one")
    with pytest.raises(NotFoundError):
        bench.registry.promote(one, "f" * 32, expected=None, why="try")
    with pytest.raises(PreconditionError, match="no evaluation"):
        bench.registry.promote(one, one.artifact, expected=None, why="try")
    with pytest.raises(PreconditionError, match="not a model"):
        bench.registry.register("news", bench.evaluation(one))


def test_rollback_swaps_champion_and_previous_and_back(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        bench.registry.rollback("news", "nothing there")
    one = bench.champion()
    with pytest.raises(PreconditionError, match="no previous"):
        bench.registry.rollback("news", "too early")
    two = bench.model("two")
    bench.registry.promote(two, bench.evaluation(two, champion=one), expected=1, why="better")
    assert bench.registry.rollback("news", "it was not") == (one, two)
    aliases = bench.registry.aliases("news")
    assert (aliases.champion, aliases.previous) == (1, 2)
    assert bench.registry.rollback("news", "it was") == (two, one)
    assert [e.action for e in bench.registry.events("news")][-2:] == ["rollback", "rollback"]


def test_a_champion_seen_too_early_loses(bench: Bench) -> None:
    one, two, three = bench.champion(), bench.model("two"), bench.model("three")
    assert bench.registry.promote(two, bench.evaluation(two, champion=one), expected=1, why="better").promoted
    with pytest.raises(PreconditionError, match="is version 2, no longer version 1"):
        bench.registry.promote(three, bench.evaluation(three, champion=one), expected=1, why="late")
    assert bench.registry.aliases("news").champion == 2


@pytest.mark.parametrize("table", ["model_versions", "model_evaluations", "model_events"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET name = 'x'", "DELETE FROM {}"])
def test_the_ledger_refuses_to_forget(bench: Bench, table: str, verb: str) -> None:
    bench.champion()
    with pytest.raises(IntegrityError, match="append-only"), bench.registry.database.session() as session:
        session.execute(text(verb.format(table)))


def _race(root: Path, version: int, evaluation: str, start: Any, out: Any) -> None:
    registry = open_registry(root)
    mine = registry.resolve(f"news@{version}")
    start.wait()
    try:
        out.put((version, registry.promote(mine, evaluation, expected=1, why="race").promoted))
    except PreconditionError as error:
        out.put((version, error.message))
    registry.database.close()


def test_of_promotions_at_once_exactly_one_wins(bench: Bench) -> None:
    one = bench.champion()
    rivals = [bench.model(f"rival {n}") for n in range(4)]
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(len(rivals)), context.Queue()
    given = [(bench.registry.database.root, r.version, bench.evaluation(r, champion=one), start, out) for r in rivals]
    racers = [context.Process(target=_race, args=args) for args in given]
    for racer in racers:
        racer.start()
    answers = dict(out.get(timeout=120) for _ in racers)
    for racer in racers:
        racer.join()
    winners = [version for version, said in answers.items() if said is True]
    assert len(winners) == 1
    assert all("nothing was moved" in said for version, said in answers.items() if version not in winners)
    aliases = bench.registry.aliases("news")
    assert (aliases.champion, aliases.previous) == (winners[0], 1)
    moves = [e.to_version for e in bench.registry.events("news") if e.action == "promote"]
    assert moves == [1, winners[0]]


class _Killed(ModelRegistry):
    """Dies by SIGKILL inside the transaction (`before`) or right after it."""

    def _event(self, *given: Any) -> Any:
        if self.run_id == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._event(*given)


def _promote_and_die(root: Path, when: str, evaluation: str) -> None:
    registry = open_registry(root)
    doomed = _Killed(registry.database, registry.artifacts, plain_digest, "tester", when)
    doomed.promote(doomed.resolve("news@2"), evaluation, expected=1, why="last words")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("when", "champion"), [("before", 1), ("after", 2)])
def test_a_kill_leaves_the_old_state_or_the_new(bench: Bench, when: str, champion: int) -> None:
    one, two = bench.champion(), bench.model("two")
    evaluation = bench.evaluation(two, champion=one)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_promote_and_die, args=(bench.registry.database.root, when, evaluation))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    aliases = bench.registry.aliases("news")
    assert (aliases.champion, aliases.previous) == ((1, None) if champion == 1 else (2, 1))
    promotions = [e for e in bench.registry.events("news") if e.action == "promote"]
    assert len(promotions) == champion
    again = replace(bench.registry).promote(two, evaluation, expected=1, why="again")
    assert again.promoted is (champion == 1)
