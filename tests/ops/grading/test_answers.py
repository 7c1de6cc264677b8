from __future__ import annotations

import math
import re
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.ops.grading.answers import exact_matches, normalise, numeric_answer, numeric_matches


def squad(text: str) -> str:
    """`normalize_answer` of SQuAD's evaluate-v1.1.py."""
    text = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


@given(st.text(alphabet=string.ascii_letters + " \n,;:!?'\"()[]_", max_size=40))
def test_ascii_words_are_normalised_as_squad_does(text: str) -> None:
    assert normalise(text) == squad(text) or not squad(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Eiffel Tower!", "eiffel tower", True),
        ("1,000", "1000", True),
        ("1.5", "15", False),
        ("-3", "3", False),
        ("\N{MINUS SIGN}3", "-3", True),
        ("**-3**", "-3", True),
        (".5", "5", False),
        ("3.", "3", True),
        ("A", "B", False),
        ("A", "", False),
        ("the", "a", False),
        ("+", "-", False),
        ("", "...", False),
        ("  ", "", True),
        ("«Привет», мир!", "привет мир", True),
        ("cafe\u0301", "café", True),
        ("5²", "52", False),
    ],
)
def test_what_is_the_same_answer(one: str, other: str, same: bool) -> None:
    assert exact_matches([one], [other]).tolist() == [float(same)]
    assert exact_matches([other], [one]).tolist() == [float(same)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She has 9 * 2 = $18 left.\n#### 18", 18.0),
        ("#### -1,234.5", -1234.5),
        ("####12", 12.0),
        ("#### 12\n\nQuestion: 3 apples and 4?\n#### 7", 12.0),
        ("It is 7.\n#### no idea", 7.0),
        ("first 3, then 4, so 12.", 12.0),
        ("$1,234,567.89", 1234567.89),
        ("-$5", -5.0),
        ("$-5", -5.0),
        ("about 40 %", 40.0),
        ("The answer is \\boxed{42}.", 42.0),
        ("**-5**", -5.0),
        ("\N{MINUS SIGN}5", -5.0),
        ("10-12", 12.0),
        ("(3)-5", 5.0),
        ("- 5 apples", 5.0),
        (".5", 0.5),
        ("2.5e3", 2500.0),
        ("1,2,3", 3.0),
        ("12kg", 12.0),
        ("x²", None),
        ("H2O", None),
        ("none", None),
        ("", None),
        ("9" * 101, None),
        ("1e999", None),
    ],
)
def test_the_number_of_an_answer(text: str, number: float | None) -> None:
    assert numeric_answer(text) == number


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e90, max_value=1e90))
def test_any_number_is_read_back(number: float) -> None:
    assert numeric_answer(f"It is {number!r}.") == number
    assert numeric_answer(f"1 and 2 #### {number:,.2f} and 3") == float(f"{number:.2f}")


@given(st.text(max_size=200))
def test_no_text_is_an_error(text: str) -> None:
    number = numeric_answer(text)
    assert number is None or math.isfinite(number)
    assert isinstance(normalise(text), str)


def test_a_long_text_is_read_in_linear_time() -> None:
    assert numeric_answer("1" * 200_000 + " 1,111" * 50_000) == 1111.0
    assert numeric_answer("-" * 200_000 + "$" * 200_000) is None


def test_numeric_matches() -> None:
    refs = ["#### 12", "0.1", "1,000", "7", "no number"]
    out = numeric_matches(refs, ["12.00", "I get 0.10000000000001", "1000", "none", "12"])
    assert out[:4].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert math.isnan(out[4])
    assert numeric_matches([], []).dtype == np.float64


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        exact_matches(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="shorter"):
        numeric_matches(["1", "2"], ["1"])
