from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.kernels.lcs import Ids, lcs_length, mark_lcs

SEQUENCE = st.lists(st.integers(0, 3), max_size=12)


def ids(values: list[int]) -> Ids:
    return np.array(values, dtype=np.int32)


def longest(one: list[int], other: list[int]) -> int:
    @cache
    def of(i: int, j: int) -> int:
        if i == len(one) or j == len(other):
            return 0
        return 1 + of(i + 1, j + 1) if one[i] == other[j] else max(of(i + 1, j), of(i, j + 1))

    return of(0, 0)


@given(SEQUENCE, SEQUENCE)
@settings(max_examples=200, deadline=None)
def test_the_length_is_the_longest(one: list[int], other: list[int]) -> None:
    assert lcs_length(ids(one), ids(other)) == longest(one, other) == lcs_length(ids(other), ids(one))


@given(SEQUENCE, SEQUENCE)
@settings(max_examples=200, deadline=None)
def test_what_is_marked_is_a_longest_common_subsequence(one: list[int], other: list[int]) -> None:
    marks = np.zeros(len(one), np.bool_)
    mark_lcs(ids(one), ids(other), marks)
    marked = ids(one)[marks].tolist()
    assert len(marked) == longest(one, other)
    rest = iter(other)
    assert all(value in rest for value in marked)


def test_marks_of_before_stay() -> None:
    marks = np.zeros(3, np.bool_)
    mark_lcs(ids([1, 2, 3]), ids([3]), marks)
    mark_lcs(ids([1, 2, 3]), ids([1]), marks)
    assert marks.tolist() == [True, False, True]
