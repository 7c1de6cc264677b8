from __future__ import annotations

import sys
from typing import Literal

import numpy as np
import pytest

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.ops.grading import extra, plain
from corpusmith.ops.grading.labels import grade_labels
from corpusmith.ops.grading.numbers import grade_numbers
from corpusmith.ops.grading.plain import PLAIN, plain_baselines

pytest.importorskip("sklearn")

GOOD = ["a good film", "good fun", "really good", "so good, so fun"]
BAD = ["a bad film", "bad and dull", "really bad", "so bad, so dull"]
TASKS: list[Literal["label", "number"]] = ["label", "number"]


def test_words_that_tell_are_learned() -> None:
    out = plain_baselines("label", GOOD + BAD, ["pos"] * 4 + ["neg"] * 4, ["good", "dull", "bad fun bad"])
    assert list(out) == list(PLAIN)
    assert out["constant"] == ["neg"] * 3
    assert out["tfidf"] == ["pos", "neg", "neg"]
    assert out["nearest"][:2] == ["pos", "neg"]


def test_numbers_that_follow_length_are_learned() -> None:
    texts = ["x " * n for n in range(1, 40)]
    targets = [f"${n}" for n in range(1, 40)]
    out = plain_baselines("number", texts, targets, ["y " * 10, "y " * 30])
    assert out["constant"] == ["20.0", "20.0"]
    assert out["nearest"] == ["20.0", "20.0"]
    short, long = (float(value) for value in out["length"])
    assert short < 15 < 20 < long


def test_answers_are_graded_as_those_of_a_model() -> None:
    labels = plain_baselines("label", GOOD + BAD, ["Pos."] * 4 + ["neg"] * 4, GOOD)
    assert grade_labels(["pos"] * 4, labels["tfidf"]).correct.mean() == 1.0
    numbers = plain_baselines("number", GOOD + BAD, ["1e-7"] * 4 + ["-3"] * 4, GOOD)
    assert not any(grade_numbers(["1"] * 4, answers).unparsable.any() for answers in numbers.values())


def test_the_nearest_is_the_first_of_equals() -> None:
    out = plain_baselines("label", ["red", "red", "blue"], ["x", "y", "y"], ["red", "green", "blue"])
    assert out["nearest"] == ["x", "y", "y"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("texts", [["", "", ""], ["a", "a", "a"], ["...", "!!", "?"], ["one", "two words", ""]])
@pytest.mark.parametrize("targets", [["1", "1", "1"], ["1", "2", "3"], ["1", "2", "2"]])
def test_poor_data_is_answered(task: Literal["label", "number"], texts: list[str], targets: list[str]) -> None:
    out = plain_baselines(task, texts, targets, ["", "one", "?", "a b c d"])
    assert {name: len(answers) for name, answers in out.items()} == dict.fromkeys(PLAIN, 4)
    if len(set(targets)) == 1:
        assert {float(answer) for answers in out.values() for answer in answers} == {1.0}


@pytest.mark.parametrize("task", TASKS)
def test_one_row_and_nothing_to_answer(task: Literal["label", "number"]) -> None:
    assert plain_baselines(task, ["x"], ["3"], []) == {name: [] for name in PLAIN}
    assert set(plain_baselines(task, ["x"], ["3"], ["y"])) == set(PLAIN)


def test_training_rows_without_a_number_are_left_out() -> None:
    out = plain_baselines("number", ["a", "b", "c"], ["1", "none", "3"], ["b"])
    assert out["constant"] == ["2.0"]


@pytest.mark.parametrize(("task", "targets"), [("number", ["x", "y"]), ("label", [])])
def test_nothing_to_learn_from_is_said(task: Literal["label", "number"], targets: list[str]) -> None:
    with pytest.raises(ParameterError, match=task):
        plain_baselines(task, ["a"] * len(targets), targets, ["b"])


@pytest.mark.parametrize("task", TASKS)
def test_the_same_again(task: Literal["label", "number"], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list("abcdefgh"), 5)) for _ in range(60)]
    targets = [str(value) for value in rng.integers(0, 4, 60)]
    assert plain_baselines(task, texts, targets, texts) == plain_baselines(task, texts, targets, texts)
    monkeypatch.setattr(plain, "MOST_ROWS", 20)
    monkeypatch.setattr(plain, "CELLS", 45)
    sampled = plain_baselines(task, texts, targets, texts, seed=1)
    assert sampled == plain_baselines(task, texts, targets, texts, seed=1)
    assert sampled != plain_baselines(task, texts, targets, texts, seed=2)


def test_the_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(PreconditionError, match=r"scikit-learn missing.*pip install 'corpusmith\[train\]'"):
        plain_baselines("label", ["a"], ["b"], ["c"])
    assert "sklearn" in sys.modules
