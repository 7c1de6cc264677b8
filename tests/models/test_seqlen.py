from __future__ import annotations

import numpy as np
import pytest

from corpusmith.models.seqlen import analyse_lengths


def test_the_figures_by_hand() -> None:
    found = analyse_lengths([100, 100, 200], None, packing=False)
    assert [choice.length for choice in found.choices] == [128, 200]
    short, whole = found.choices
    assert short.cut == pytest.approx(72 / 400)
    assert short.cut_examples == 1
    assert short.padding == pytest.approx(1 - 328 / 384)
    assert (whole.cut, whole.padding) == (0, pytest.approx(1 - 400 / 600))
    assert whole.padding_packed == pytest.approx(0)
    assert found.recommended == 200 if whole.efficiency > short.efficiency else 128


def test_packing_takes_the_length_that_cuts_nothing() -> None:
    lengths = np.r_[np.full(990, 60), np.full(10, 900)]
    assert analyse_lengths(lengths, None, packing=True).recommended >= 900
    unpacked = analyse_lengths(lengths, None, packing=False)
    assert unpacked.recommended < 900


def test_short_examples_fill_a_longer_row_when_packed() -> None:
    lengths = np.random.default_rng(0).integers(50, 72, 300)
    assert analyse_lengths(lengths, 1024, packing=False).recommended == 72
    packed = analyse_lengths(lengths, 1024, packing=True)
    assert packed.recommended > 72
    assert packed.choices[-1].length == 512
    assert analyse_lengths(lengths, 100, packing=True).recommended == 72  # no longer than the model takes


def test_lengths_are_those_of_uncut_examples_so_the_longest_is_a_candidate() -> None:
    found = analyse_lengths([10, 3000], None, packing=True)
    assert found.longest == 3000
    assert found.choices[-1].cut == 0


def test_the_models_context_bounds_it() -> None:
    found = analyse_lengths([10, 3000], 64, packing=True)
    assert [choice.length for choice in found.choices] == [64]
    assert found.recommended == 64


def test_the_same_whatever_the_order_of_candidates_and_seeded() -> None:
    lengths = np.random.default_rng(3).integers(1, 3000, 30_000)
    first, again = (analyse_lengths(lengths, 2048, True, seed=1) for _ in range(2))
    assert first == again
    assert "<- recommended" in first.table()
