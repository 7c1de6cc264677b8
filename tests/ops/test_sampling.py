from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops import sampling as draw
from corpusmith.ops.sampling_fields import MISSING, SampleFields, as_category, as_number, row_keys, uniform


def keys_of(count: int, seed: int = 0) -> np.ndarray:
    return row_keys(pa.array([f"a.jsonl#{n}" for n in range(count)], pa.large_string()), seed, "t")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        ("12.50", 12.5),
        ("$1,299.00", 1299.0),
        (" 7 € ", 7.0),
        (".5", 0.5),
        ("-3", -3.0),
        ("1e2", 100.0),
    ],
)
def test_texts_that_are_numbers_are_read(value: object, number: float) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    "value", [None, True, "", "$", ".", "12 apples", "1,2,3", [], {}, math.inf, math.nan, "nan", "1e999", 10**400]
)
def test_what_is_no_number_is_nan(value: object) -> None:
    assert math.isnan(as_number(value))


def test_categories_of_odd_values() -> None:
    assert [as_category(v) for v in (None, "a", 3, ["x", 1], math.nan)] == [MISSING, "a", "3", '["x",1]', MISSING]


def test_keys_depend_on_seed_and_salt_and_are_uniform() -> None:
    one, two = keys_of(20_000), keys_of(20_000, seed=1)
    assert not (one == two).any()
    u = uniform(one)
    assert 0 < u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(u, uniform(two))[0, 1]) < 0.03


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), share=st.floats(0.05, 1))
def test_stratified_prefix_is_proportional(sizes: list[int], share: float) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    keys = keys_of(len(codes))
    wanted = max(1, int(share * len(codes)))
    keep = draw.cut(draw.stratified(keys, codes), keys, wanted).keep
    assert keep.sum() == wanted
    got = np.bincount(codes[keep], minlength=len(sizes))
    assert np.abs(got - wanted * np.array(sizes) / len(codes)).max() <= len(sizes)


def test_equal_fills_small_categories_first() -> None:
    codes = np.repeat([0, 1, 2], [100, 5, 50])
    keys = keys_of(len(codes))
    keep = draw.cut(draw.equal(keys, codes), keys, 45).keep
    assert np.bincount(codes[keep]).tolist() == [20, 5, 20]


@settings(max_examples=30, deadline=None)
@given(gone=st.sets(st.integers(0, 99), max_size=50), rows=st.integers(1, 60))
def test_a_drawn_row_stays_drawn_when_others_vanish(gone: set[int], rows: int) -> None:
    keys = keys_of(100)
    weights = np.arange(1, 101, dtype=float)
    left = np.array([n for n in range(100) if n not in gone])
    for priority in (uniform(keys), draw.weighted(keys, weights)):
        whole = draw.cut(priority, keys, rows).keep
        part = draw.cut(priority[left], keys[left], rows).keep
        assert (part | ~whole[left]).all()


def test_weighted_draw_follows_the_weights() -> None:
    # first draw of Efraimidis-Spirakis: P(row) = w / sum(w); 5:1 over 4,000 independent seeds
    first = [int(np.argmin(draw.weighted(keys_of(2, seed), np.array([1.0, 5.0])))) for seed in range(4000)]
    assert abs(np.mean(first) - 5 / 6) < 0.02


def test_weight_zero_is_never_drawn_and_empty_input_is_fine() -> None:
    keys = keys_of(10)
    drawn = draw.cut(draw.weighted(keys, np.array([0.0, 1.0] * 5)), keys, 10)
    assert drawn.keep.tolist() == [False, True] * 5
    none = np.zeros(0)
    assert draw.cut(draw.weighted(keys[:0], none), keys[:0], 5).keep.tolist() == []
    assert draw.stratified(keys[:0], np.zeros(0, np.int64)).tolist() == []


def test_alpha_evens_out_categories() -> None:
    categories = ["big"] * 90 + ["small"] * 10
    weights = draw.category_weights(categories, {}, 1.0, alpha=0.0)
    assert weights[:90].sum() == pytest.approx(weights[90:].sum())
    assert set(draw.category_weights(categories, {"big": 2.0}, 1.0, alpha=1.0)) == {2.0, 1.0}


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(0, 50), max_size=40), budget=st.integers(0, 400))
def test_token_budget_is_kept_and_used(tokens: list[int], budget: int) -> None:
    counts = np.array(tokens, np.int64)
    keys = keys_of(len(tokens))
    drawn = draw.cut(uniform(keys), keys, None, counts, budget)
    assert counts[drawn.keep].sum() <= budget
    fits = counts <= budget
    if (fits & ~drawn.keep).any():  # it stopped because the next row did not fit
        order = np.argsort(keys)
        following = next(n for n in order if fits[n] and not drawn.keep[n])
        assert counts[drawn.keep].sum() + counts[following] > budget


def test_fields_come_from_columns_and_meta() -> None:
    batch = pa.table(
        {
            "row_id": pa.array(["a#0", "a#1"], pa.large_string()),
            "text": pa.array(["Hello, world!", None], pa.large_string()),
            "meta": pa.array(['{"c": {"d": "x"}, "p": "3.5"}', "{}"], pa.large_string()),
        }
    )
    operator = SampleFields(1, "t", category="c.d", number="p", tokens=True)
    out = operator.apply(batch).select(operator.columns).to_pydict()
    assert out["_category"] == ["x", MISSING]
    assert out["_number"][0] == 3.5
    assert math.isnan(out["_number"][1])
    assert out["_tokens"] == [4, 0]
