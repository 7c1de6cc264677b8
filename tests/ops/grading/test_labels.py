from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.ops.grading.labels import f1_macro, f1_of_codes, find_label, grade_labels, label_set

MOOD = ("negative", "neutral", "positive")


def test_one_label_in_several_spellings_is_one() -> None:
    assert label_set(["yes", "Yes.", "no", " no "]) == ("no", "Yes.")


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("positive", MOOD, "positive"),
        ("  Positive!\n", MOOD, "positive"),
        ("Label: **positive**", MOOD, "positive"),
        ("positive\n\nReview: it broke.\nLabel: negative", MOOD, "positive"),
        ("Let me think.\nIt is positive.", MOOD, "positive"),
        ("positive or negative", MOOD, None),
        ("Could be positive.\nOr negative.", MOOD, "positive"),
        ("I think\npositive or negative", MOOD, None),
        ("positively", MOOD, None),
        ("", MOOD, None),
        ("42", MOOD, None),
        ("This is not spam.", ("spam", "not spam"), "not spam"),
        ("Spam", ("spam", "not spam"), "spam"),
        ("spam? no, not spam", ("spam", "not spam"), None),
        ("The answer is A.", ("A", "B"), "A"),
        ("(B)", ("A", "B"), "B"),
        ("a", ("A", "B"), "A"),
        ("it is a dog", ("A", "B"), None),
        ("this is a B", ("A", "B"), "B"),
        ("class 1", ("0", "1"), "1"),
        ("10", ("0", "1"), None),
        ("New York, of course", ("New York", "York"), "New York"),
        ("C++", ("C++", "Rust"), "C++"),
        ("+", ("+", "-"), "+"),
        ("anything", (), None),
    ],
)
def test_find_label(text: str, labels: tuple[str, ...], found: str | None) -> None:
    assert find_label(text, labels) == found


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_every_label_names_itself(references: list[str]) -> None:
    labels = label_set(references)
    assert [find_label(label, labels) for label in labels] == list(labels)
    assert grade_labels(references, references).correct.all()


@given(st.text(max_size=80))
def test_any_text_names_a_label_or_none(text: str) -> None:
    assert find_label(text, MOOD) in {*MOOD, None}


def test_what_names_no_label_is_wrong_and_counted() -> None:
    grades = grade_labels(["yes", "yes", "no", "no"], ["yes", "maybe", "No.", "yes and no"])
    assert grades.correct.tolist() == [1, 0, 1, 0]
    assert grades.unparsable.tolist() == [0, 1, 0, 1]
    # yes: 1 hit, 1 miss; no: the same: 2 * 1 / (2 + 1)
    assert f1_macro(["yes", "yes", "no", "no"], ["yes", "maybe", "No.", "yes and no"]) == pytest.approx(2 / 3)


def test_labels_beyond_the_references_may_be_named() -> None:
    given = grade_labels(["yes"], ["no"], labels=("no", "yes"))
    assert (given.labels, given.unparsable.tolist(), given.correct.tolist()) == (("no", "yes"), [0], [0])
    assert grade_labels(["yes"], ["no"]).unparsable.tolist() == [1]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=40),
)
def test_f1_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    refs, answers = (np.array(column) for column in zip(*pairs, strict=True))
    theirs = metrics.f1_score(refs, answers, labels=np.unique(refs), average="macro", zero_division=0)
    assert float(f1_of_codes(refs, answers)) == pytest.approx(theirs)
    stacked = f1_of_codes(np.stack([refs, refs]), np.stack([answers, refs]))
    assert stacked.tolist() == [pytest.approx(theirs), 1.0]


def test_nothing_has_no_f1() -> None:
    assert math.isnan(f1_macro([], []))


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references"):
        grade_labels(["a", "b"], ["a"])
