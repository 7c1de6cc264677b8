from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.sampling_fields import row_keys
from corpusmith.ops.slots import NO_NUMBER, NOT_DRAWN, OUT_OF_RANGE, Slots, draw_slots


def keys_of(count: int) -> np.ndarray:
    return row_keys(pa.array([f"p#{n}" for n in range(count)], pa.large_string()), 0, "t")


@pytest.mark.parametrize(
    ("price", "slot"),
    [(0.50, 1), (0.99, 1), (1.49, 1), (1.50, 2), (2.50, 3), (240.49, 240), (240.50, 241), (999.49, 999)],
)
def test_slot_is_rounded_half_up_and_at_least_one(price: float, slot: int) -> None:
    assert Slots().slot(np.array([price])).tolist() == [slot]


def test_exactly_240_is_thinned_and_241_kept_whole() -> None:
    prices = np.array([240.0] * 1500 + [241.0] * 1500)
    out = draw_slots(prices, np.ones(3000), keys_of(3000), Slots())
    assert out.keep[:1500].sum() == 1200
    assert out.keep[1500:].all()
    assert out.slots == 2
    assert [out.rule.count(NOT_DRAWN), out.rule.count(None)] == [300, 2700]


def test_numbers_outside_and_missing_are_explained() -> None:
    prices = np.array([0.49, 0.50, 999.49, 999.50, np.nan])
    out = draw_slots(prices, np.ones(5), keys_of(5), Slots())
    assert out.rule == [OUT_OF_RANGE, None, None, OUT_OF_RANGE, NO_NUMBER]


def test_the_crowded_category_is_drawn_less_often() -> None:
    weights = np.array([1.0, 5.0] * 2000)
    out = draw_slots(np.full(4000, 10.0), weights, keys_of(4000), Slots(cap=1000))
    assert out.keep.sum() == 1000
    crowded = out.keep[weights == 1.0].sum()
    assert 150 < crowded < 270  # without replacement the share is above 1/6, far below 1/2


@settings(max_examples=40, deadline=None)
@given(prices=st.lists(st.one_of(st.floats(0, 2000), st.just(float("nan"))), max_size=60), cap=st.integers(0, 3))
def test_no_slot_is_over_its_cap_and_each_row_is_kept_or_explained(prices: list[float], cap: int) -> None:
    numbers = np.array(prices, float)
    slots = Slots(cap=cap)
    out = draw_slots(numbers, np.ones(len(prices)), keys_of(len(prices)), slots)
    assert [(why is None) for why in out.rule] == out.keep.tolist()
    kept = slots.slot(numbers[out.keep])
    sizes = np.bincount(kept[kept <= 240], minlength=1)
    assert sizes.max() <= cap
    assert all(out.keep[i] for i, p in enumerate(prices) if 240.5 <= p <= 999.49)
