from __future__ import annotations

import math

import pytest

from corpusmith.core.judgements import Grade, JudgedRow
from corpusmith.ops.grading.judged import judge_metrics


def grade(accuracy: int, style: int = 2) -> Grade:
    return Grade(accuracy=accuracy, accuracy_reason="so", style=style, style_reason="so")


def row(answer: tuple[int, int], other: tuple[int, int]) -> JudgedRow:
    """Grades of accuracy when shown first, when shown second."""
    return JudgedRow(answer=(grade(answer[0]), grade(answer[1])), other=(grade(other[0]), grade(other[1])))


def test_grades_are_averaged_over_the_two_orders() -> None:
    metrics = judge_metrics([row((3, 2), (1, 1)), row((2, 2), (3, 3))], samples=50)
    assert metrics.answer["accuracy"].value == 2.25
    assert metrics.other["accuracy"].value == 2.0
    assert metrics.gain["accuracy"].value == 0.25
    assert metrics.gain["style"].value == 0.0
    assert (metrics.won.value, metrics.lost.value, metrics.unjudged.value) == (0.5, 0.5, 0.0)
    assert set(metrics.scorecard()) == {"judge_accuracy", "judge_style"}
    assert metrics.scorecard()["judge_accuracy"].n == 2


def test_a_judge_that_likes_the_first_place_decides_nothing() -> None:
    metrics = judge_metrics([row((3, 1), (3, 1))] * 5, samples=50)
    assert metrics.position_bias["accuracy"].value == 2.0
    assert metrics.position_bias["style"].value == 0.0
    assert (metrics.gain["accuracy"].low, metrics.gain["accuracy"].high) == (0.0, 0.0)
    assert (metrics.won.value, metrics.lost.value) == (0.0, 0.0)


def test_an_answer_wins_only_in_both_orders() -> None:
    assert judge_metrics([row((3, 2), (2, 2))], samples=50).won.value == 0.0
    assert judge_metrics([row((3, 3), (2, 2))], samples=50).won.value == 1.0
    styled = JudgedRow(answer=(grade(2, 3), grade(2, 3)), other=(grade(2, 1), grade(2, 1)))
    assert judge_metrics([styled], samples=50).won.value == 1.0


def test_rows_that_were_not_judged_are_counted_and_not_averaged() -> None:
    metrics = judge_metrics([row((3, 3), (1, 1)), JudgedRow(problem="no verdict")] * 3, samples=50)
    assert (metrics.answer["accuracy"].value, metrics.answer["accuracy"].n) == (3.0, 3)
    assert (metrics.unjudged.value, metrics.unjudged.n) == (0.5, 6)
    assert metrics.unjudged.low < 0.5 < metrics.unjudged.high


@pytest.mark.parametrize("rows", [[], [JudgedRow(problem="the server is down")] * 4])
def test_no_judgement_is_no_grade(rows: list[JudgedRow]) -> None:
    metrics = judge_metrics(rows, samples=50)
    assert math.isnan(metrics.answer["accuracy"].value)
    assert math.isnan(metrics.gain["style"].low)
    assert metrics.answer["accuracy"].n == 0
    assert math.isnan(metrics.unjudged.value) if not rows else metrics.unjudged.value == 1.0
