from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.models.packing import efficiency, pack, shuffled


@given(st.lists(st.integers(1, 64), max_size=200), st.integers(64, 100), st.integers(0, 5))
def test_every_example_once_and_no_row_too_long(lengths: list[int], capacity: int, seed: int) -> None:
    rows = shuffled(pack(lengths, capacity), seed)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= capacity for row in rows)
    assert all(rows)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_at_most_one_row_is_half_empty(lengths: list[int]) -> None:
    rows = pack(lengths, 64)
    half = [row for row in rows if sum(lengths[index] for index in row) <= 32]
    assert len(half) <= 1


def test_it_packs_tightly() -> None:
    lengths = np.random.default_rng(0).integers(1, 512, 5000)
    rows = pack(lengths, 1024)
    assert efficiency(lengths, len(rows), 1024) > 0.99


def test_the_order_is_seeded() -> None:
    rows = pack([5] * 40, 10)
    assert shuffled(rows, 1) == shuffled(rows, 1) != shuffled(rows, 2)


@pytest.mark.parametrize("lengths", [[0], [11], [3, -1]])
def test_what_cannot_be_packed_is_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="not in"):
        pack(lengths, 10)


def test_nothing_to_pack() -> None:
    assert pack([], 10) == []
    assert efficiency([], 0, 10) == 1.0
