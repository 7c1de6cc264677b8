"""The crossed interval: exact where nothing varies, and true about as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.ops.grading.crossed import crossed_gain


def test_value_is_the_mean_over_seeds_of_the_cost_saved_per_byte() -> None:
    baseline = np.array([[40.0, 20.0], [44.0, 20.0]])
    candidate = np.array([[30.0, 18.0], [30.0, 18.0]])
    found = crossed_gain(candidate, baseline, np.array([10.0, 10.0]))
    assert found.value == pytest.approx((12 / 20 + 16 / 20) / 2)
    assert found.n == 2
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert crossed_gain(candidate, baseline, np.array([10.0, 10.0])) == found
    turned = crossed_gain(baseline, candidate, np.array([10.0, 10.0]))
    assert turned.value == pytest.approx(-found.value)


def test_equal_arms_gain_exactly_nothing() -> None:
    costs = np.random.default_rng(0).uniform(100, 900, (3, 40))
    found = crossed_gain(costs, costs.copy(), np.full(40, 100.0))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_what_is_not_finite_and_what_is_too_few() -> None:
    costs = np.ones((2, 3))
    broken = costs.copy()
    broken[1, 1] = np.nan
    assert math.isnan(crossed_gain(broken, costs, np.ones(3)).value)
    alone = crossed_gain(costs[:, :1], costs[:, :1] + 1, np.ones(1))
    assert alone.value == 1.0
    assert math.isnan(alone.low or 0.0)
    one_seed = crossed_gain(costs[:1], costs[:1] + 1, np.ones(3))
    assert (one_seed.low, one_seed.high) == (1.0, 1.0)
    for bad in (np.ones((2, 2)), np.ones(3), np.ones((0, 3))):
        with pytest.raises(ParameterError):
            crossed_gain(bad, costs if bad.shape != (0, 3) else bad, np.ones(3))


def test_holds_the_truth_on_three_seeds() -> None:
    """300 made-up ablations of a true gain of 0.05: seeds and documents both vary, as measured ones do."""
    draw = np.random.default_rng(1)
    held, n = 0, 60
    for trial in range(300):
        by_seed, by_document = draw.normal(0, 0.02, (3, 1)), draw.normal(0, 0.10, (1, n))
        baseline = 100 * (0.05 + by_seed + by_document + draw.normal(0, 0.05, (3, n)))
        found = crossed_gain(np.zeros((3, n)), baseline, np.full(n, 100.0), samples=500, seed=trial)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.05 <= found.high
    assert held / 300 >= 0.93  # 95 % within two standard errors of 300 trials
