from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.ops.grading.numbers import grade_numbers, mae, rmse


def test_errors() -> None:
    grades = grade_numbers(["$10", "20", "30"], ["It costs $12.50", "20.0", "-1"])
    assert grades.absolute.tolist() == [2.5, 0.0, 31.0]
    assert grades.squared.tolist() == [6.25, 0.0, 961.0]
    assert not grades.unparsable.any()
    assert mae(grades.absolute) == pytest.approx(33.5 / 3)
    assert rmse(grades.squared) == pytest.approx(math.sqrt(967.25 / 3))


def test_no_number_costs_the_worst_guess_in_range() -> None:
    grades = grade_numbers(["10", "40", "100"], ["?", "?", "?"])
    assert grades.absolute.tolist() == [90.0, 60.0, 100.0]
    assert grades.unparsable.tolist() == [1.0, 1.0, 1.0]
    assert grade_numbers(["-5", "-5"], ["?", "-5"]).absolute.tolist() == [5.0, 0.0]
    assert grade_numbers(["0", "0"], ["?", "0"]).absolute.tolist() == [1.0, 0.0]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1)), min_size=1, max_size=20))
def test_saying_nothing_is_never_cheaper_than_a_guess_in_range(rows: list[tuple[float, float]]) -> None:
    truth = [value for value, _ in rows]
    low, high = min(*truth, 0.0), max(*truth, 0.0)
    refs = [repr(value) for value in truth]
    guesses = [repr(low + share * (high - low)) for _, share in rows]
    silent, guessed = grade_numbers(refs, ["-"] * len(refs)), grade_numbers(refs, guesses)
    assert (silent.absolute >= guessed.absolute * (1 - 1e-12)).all()
    assert np.isfinite(silent.squared).all()


def test_a_reference_without_a_number_is_not_hidden() -> None:
    grades = grade_numbers(["x", "2"], ["1", "none"])
    assert math.isnan(grades.absolute[0])
    assert grades.absolute[1] == 2.0
    assert math.isnan(rmse(grades.squared))
    assert math.isnan(mae(grades.absolute))
    assert np.isnan(grade_numbers(["x"], ["none"]).absolute).all()


def test_a_model_that_repeats_a_digit_stays_finite() -> None:
    grades = grade_numbers(["5", "7"], ["9" * 400, "1e100"])
    assert grades.unparsable.tolist() == [1.0, 0.0]
    assert math.isfinite(rmse(grades.squared))


def test_nothing_has_no_error() -> None:
    grades = grade_numbers([], [])
    assert math.isnan(rmse(grades.squared))
    assert math.isnan(mae(grades.absolute))


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references"):
        grade_numbers(["1", "2"], ["1"])
