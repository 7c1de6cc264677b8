from __future__ import annotations

import itertools
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.kernels.words import fold_table, utf8_buffers, words_of_rows


def hashes(texts: list[str | None]) -> list[list[int]]:
    data, offsets = utf8_buffers(pa.array(texts, pa.large_string()))
    ends, out = np.zeros(len(texts), np.int64), np.empty(data.size + len(texts), np.uint64)
    words_of_rows(data, offsets, fold_table(), out, ends)
    starts = [0, *ends.tolist()]
    return [out[low:high].tolist() for low, high in itertools.pairwise(starts)]


MARKLESS = st.text(st.characters(exclude_categories=["Cs", "Mn", "Mc", "Me"]), max_size=60)


@settings(max_examples=100, deadline=None)
@given(MARKLESS)
def test_as_many_words_as_the_regular_expression_finds(text: str) -> None:
    assert len(hashes([text])[0]) == len(re.findall(r"\w+", text))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=6))
def test_a_row_hashes_the_same_alone_as_among_others(texts: list[str | None]) -> None:
    assert hashes(texts) == [hashes([text])[0] for text in texts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "strasse"),
        ("ΟΔΟΣ", "οδος"),
        ("ÅNGSTRÖM", "ångström"),
        ("Привет", "ПРИВЕТ"),
        ("İ", "i"),
        ("a-b", "A b"),
    ],
)
def test_case_does_not_count(one: str, other: str) -> None:
    assert hashes([one]) == hashes([other])


@pytest.mark.parametrize(("one", "other"), [("क्या", "क्यो"), ("ab", "ba"), ("ab c", "a bc"), ("𐐨", "𐐩"), ("a", "á")])
def test_different_words_differ(one: str, other: str) -> None:
    assert hashes([one]) != hashes([other])


@pytest.mark.parametrize("text", ["", " \n", "❤️", "—…!?", "👍🏽", "\U000e0041\U0010ffff"])
def test_symbols_are_no_words(text: str) -> None:
    assert hashes([text]) == [[]]


def test_sliced_and_null_rows_are_read_right() -> None:
    column = pa.array(["skip", "a b", None, "c"], pa.large_string()).slice(1)
    data, offsets = utf8_buffers(column)
    ends, out = np.zeros(3, np.int64), np.empty(32, np.uint64)
    words_of_rows(data, offsets, fold_table(), out, ends)
    assert ends.tolist() == [2, 2, 3]
