"""What is trained next answers to the signs that the last training left."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.agent.modelling.moves import MOVES, RECOVERIES, drawn_settings, next_step, settings_of
from corpusmith.agent.modelling.work import ModelWork, Trial
from corpusmith.core.brief import TrainingWish

FALLING = ((10, 3.0), (20, 2.5), (30, 2.2))
RISING = ((10, 2.5), (20, 2.2), (30, 2.6))
FLAT = ((10, 3.0), (20, 3.0), (30, 2.999))


def trial(wish: TrainingWish, **changes: Any) -> Trial:
    said: dict[str, Any] = {
        "decision": "d01", "move": "default-setting", "setting": settings_of(wish)[0], "base": "b", "model": "m",
        "primary": "bits_per_byte", "value": 2.0, "gain": -0.1, "gain_low": -0.2, "learning_rate": 2e-4, "epochs": 1.0,
        "rank": 16, "curve": FALLING,
    }  # fmt: skip
    return Trial(**{**said, **changes})


def work(*trials: Trial) -> ModelWork:
    return ModelWork(trials=trials, best=len(trials) - 1 if trials else None)


def test_the_first_trial_is_the_default_of_each_base() -> None:
    wish = TrainingWish(bases=("tiny", "./other"))
    first = next_step(work(), wish, 0)
    assert first is not None
    assert (first.move.name, first.setting.base) == ("default-setting", "tiny")
    second = next_step(work(trial(wish, gain_low=0.1)), wish, 0)
    assert second is not None
    assert second.setting.base == "./other"


def test_enough_once_it_beats_its_base() -> None:
    wish = TrainingWish()
    assert next_step(work(trial(wish, gain_low=0.01)), wish, 0) is None


@pytest.mark.parametrize(
    ("changes", "move"),
    [
        ({"nan": True, "curve": ()}, "lower-rate"),
        ({"curve": RISING}, "fewer-passes"),
        ({"curve": FLAT}, "higher-rate"),
        ({"curve": FALLING}, "more-passes"),
    ],
)
def test_the_sign_chooses_the_move(changes: dict[str, Any], move: str) -> None:
    wish = TrainingWish()
    step = next_step(work(trial(wish, **changes)), wish, 0)
    assert step is not None
    assert step.move.name == move
    assert step.setting != settings_of(wish)[0]
    assert step.why


def test_what_the_person_fixed_is_left_alone() -> None:
    wish = TrainingWish(learning_rate=1e-3, epochs=2, rank=8)
    assert next_step(work(trial(wish, nan=True)), wish, 0) is None
    assert next_step(work(trial(wish, curve=RISING)), wish, 0) is None


def test_recoveries_end() -> None:
    wish = TrainingWish()
    done = [trial(wish)]
    for _ in range(RECOVERIES):
        step = next_step(work(*done), wish, 0)
        assert step is not None
        done.append(trial(wish, move=step.move.name, setting=step.setting, epochs=step.setting.epochs or 1.0))
    assert next_step(work(*done), wish, 0) is None


def test_a_search_draws_settings_by_the_seed_and_never_one_twice() -> None:
    wish = TrainingWish(trials=5)
    first = trial(wish, gain_low=0.3)
    drawn = [step.text() for step in drawn_settings(first, wish, 7)]
    assert drawn == [step.text() for step in drawn_settings(first, wish, 7)]
    assert drawn != [step.text() for step in drawn_settings(first, wish, 8)]
    done = [first]
    for _ in range(4):
        step = next_step(work(*done), wish, 7)
        assert step is not None
        assert step.move.name == "random-search"
        assert step.setting not in {one.setting for one in done}
        done.append(trial(wish, move=step.move.name, setting=step.setting, gain_low=0.3))
    assert next_step(work(*done), wish, 7) is None


def test_a_search_around_a_fixed_rank_keeps_it() -> None:
    wish = TrainingWish(trials=9, rank=4)
    assert {step.rank for step in drawn_settings(trial(wish), wish, 0)} == {4}


def test_every_move_says_its_source_sign_and_harm() -> None:
    assert all(move.source and move.sign and move.harm for move in MOVES.values())
