"""Token counts as a fold, and the numbers drawn from them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.tokenstats import TokenCounts, sequence_length, token_statistics

WORDS = st.lists(st.text("abc ", max_size=12), max_size=6)


def table_of(texts: list[str]) -> pa.Table:
    return pa.table({"text": pa.array(texts, pa.large_string())})


def counts_of(texts: list[str], parts: int = 1) -> list[tuple[str, int]]:
    fold = TokenCounts()
    state = fold.initial()
    size = -(-len(texts) // parts) or 1
    for start in range(0, len(texts), size):
        state = fold.merge(state, fold.fold(table_of(texts[start : start + size])))
    state = state.settled()
    return list(zip(state.texts.to_pylist(), state.counts.tolist(), strict=True))


def test_counts_in_order_of_first_occurrence():
    assert counts_of(["b a b", "c, a"]) == [("b", 2), ("a", 2), ("c", 1), (",", 1)]


def test_a_large_vocabulary():
    words = [f"w{n}" for n in range(20_000)]
    assert len(counts_of([" ".join(words), " ".join(words[:5])])) == 20_000


@settings(max_examples=40, deadline=None)
@given(WORDS, st.integers(1, 4))
def test_same_counts_whatever_the_parts(texts, parts):
    assert counts_of(texts, parts) == counts_of(texts)


@settings(max_examples=20, deadline=None)
@given(WORDS, WORDS, WORDS)
def test_merge_is_associative(left, middle, right):
    fold = TokenCounts()
    a, b, c = (fold.fold(table_of(texts)) for texts in (left, middle, right))
    one, two = fold.merge(fold.merge(a, b), c).settled(), fold.merge(a, fold.merge(b, c)).settled()
    assert one.texts.to_pylist() == two.texts.to_pylist()
    assert one.counts.tolist() == two.counts.tolist()


def test_statistics():
    fold = TokenCounts()
    figures = token_statistics(fold.fold(table_of(["a a a a a a a a b c"])), np.array([10]))
    assert (figures["total"], figures["unique"], figures["once"]) == (10, 3, 2)
    assert figures["top"][0] == ("a", 8)
    assert figures["coverage"] == {"50": 1, "90": 2, "99": 3}
    assert figures["length"]["mean"] == 10


def test_no_tokens():
    figures = token_statistics(TokenCounts().initial(), np.zeros(0, np.int64))
    assert (figures["total"], figures["top"], figures["length"]) == (0, [], {})
    assert figures["sequence_length"]["recommended"] is None


def test_sequence_length():
    found = sequence_length(np.array([100, 300]), (128, 256))
    short, long = found["candidates"]
    assert short["truncation"] == pytest.approx(172 / 400)
    assert short["padding"] == pytest.approx(28 / 256)
    assert long["efficiency"] == pytest.approx(1 - 44 / 400 - 156 / 512)
    assert found["recommended"] == 256
