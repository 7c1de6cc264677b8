from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corpusmith.core.errors import ParameterError
from corpusmith.core.gates import Gate
from corpusmith.ops.grading import bootstrap
from corpusmith.ops.grading.bootstrap import Statistic, interval, lower_end, paired_gain, value_of
from corpusmith.ops.grading.labels import f1_macro, grade_labels

FLOATS = st.floats(-1e6, 1e6)
ROWS = arrays(np.float64, st.integers(2, 40), elements=FLOATS)
POSITIVE = Gate(metric="gain_low", op=">", target=0.0)
EVERY: list[Statistic] = ["mean", "bits_per_byte", "perplexity", "rmse", "mae", "f1_macro"]


def rows_of(statistic: Statistic, n: int, seed: int = 0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    if statistic in {"bits_per_byte", "perplexity"}:
        return rng.random(n) * 9, rng.integers(1, 9, n).astype(float)
    if statistic == "f1_macro":
        return rng.integers(0, 3, n).astype(float), rng.integers(-1, 3, n).astype(float)
    return (rng.random(n),)


def test_values() -> None:
    nats, size = np.array([3.0, 1.0]), np.array([4.0, 4.0])
    assert value_of((nats, size), "bits_per_byte") == pytest.approx(0.5 / math.log(2))
    assert value_of((nats, size), "perplexity") == pytest.approx(math.exp(0.5))
    assert value_of(np.array([9.0, 16.0]), "rmse") == pytest.approx(math.sqrt(12.5))
    assert value_of(np.array([9.0, 16.0]), "mae") == value_of(np.array([9.0, 16.0]), "mean") == 12.5
    refs, answers = ["a", "b", "b", "c"], ["a", "b", "c", "?"]
    assert value_of(grade_labels(refs, answers).columns, "f1_macro") == pytest.approx(f1_macro(refs, answers))


def test_a_long_row_weighs_by_its_size() -> None:
    assert value_of((np.array([8.0, 1.0]), np.array([1.0, 8.0])), "perplexity") == pytest.approx(math.e)


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_a_model_gains_nothing_over_itself(rows: Any) -> None:
    for better in ("lower", "higher"):
        gain = paired_gain(rows, rows.copy(), "mean", better, samples=50)
        assert (gain.value, gain.low, gain.high, gain.n) == (0.0, 0.0, 0.0, len(rows))
        assert math.copysign(1, gain.value) == 1
        assert not POSITIVE.holds(gain.low)


@pytest.mark.parametrize("statistic", EVERY)
def test_a_model_gains_nothing_over_itself_by_any_statistic(statistic: Statistic) -> None:
    rows = rows_of(statistic, 50)
    gain = paired_gain(rows, tuple(column.copy() for column in rows), statistic, "lower", samples=100)
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("statistic", EVERY)
def test_the_order_of_rows_does_not_matter(statistic: Statistic) -> None:
    ours, theirs = rows_of(statistic, 30, 1), rows_of(statistic, 30, 2)
    if statistic == "f1_macro":
        theirs = (ours[0], theirs[1])
    order = np.random.default_rng(3).permutation(30)
    again = tuple(column[order] for column in ours), tuple(column[order] for column in theirs)
    assert paired_gain(*again, statistic, "lower", samples=200) == paired_gain(
        ours, theirs, statistic, "lower", samples=200
    )
    assert interval(again[0], statistic, samples=200) == interval(ours, statistic, samples=200)


@given(ROWS)
@settings(max_examples=50, deadline=None)
def test_permuted_rows_give_the_same_interval(rows: Any) -> None:
    assert interval(rows[::-1], "mean", samples=50) == interval(rows, "mean", samples=50)


@pytest.mark.parametrize("statistic", EVERY)
def test_the_sign_says_who_is_better(statistic: Statistic) -> None:
    ours, theirs = rows_of(statistic, 40, 1), rows_of(statistic, 40, 2)
    difference = value_of(ours, statistic) - value_of(theirs, statistic)
    higher = paired_gain(ours, theirs, statistic, "higher", samples=100)
    lower = paired_gain(ours, theirs, statistic, "lower", samples=100)
    assert higher.value == pytest.approx(difference)
    assert (lower.value, lower.low, lower.high) == pytest.approx((-higher.value, -higher.high, -higher.low))
    assert higher.low < higher.value < higher.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for trial in range(300):
        metric = interval(rng.normal(1.0, 1.0, 12), "mean", samples=400, seed=trial)
        held += metric.low <= 1.0 <= metric.high
        assert metric.low <= metric.value <= metric.high
    assert 0.91 <= held / 300 <= 0.98


def test_an_interval_agrees_with_theory_on_many_rows() -> None:
    rows = np.random.default_rng(0).normal(0.0, 2.0, 2_000)
    metric = interval(rows, "mean")
    error = 1.96 * rows.std(ddof=1) / math.sqrt(2_000)
    assert metric.low == pytest.approx(metric.value - error, rel=0.08, abs=0.008)
    assert metric.high == pytest.approx(metric.value + error, rel=0.08, abs=0.008)


def test_pairing_takes_out_what_makes_rows_hard() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 200)
    gain = paired_gain(hard + 0.1 + rng.normal(0, 0.1, 200), hard, "mean", "higher")
    assert 0 < gain.low < 0.1 < gain.high + 0.02
    assert interval(hard, "mean").high - interval(hard, "mean").low > 2


def test_noise_is_no_gain() -> None:
    rng = np.random.default_rng(0)
    gains = [paired_gain(rng.random(60), rng.random(60), "mean", "higher", samples=300) for _ in range(60)]
    assert sum(POSITIVE.holds(gain.low) for gain in gains) <= 5


def test_a_seed_repeats_itself() -> None:
    rows = np.random.default_rng(0).random(50)
    assert interval(rows, "mean", seed=1) == interval(rows, "mean", seed=1)
    assert interval(rows, "mean", seed=1) != interval(rows, "mean", seed=2)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("statistic", EVERY)
def test_a_row_that_is_not_finite_is_not_hidden(statistic: Statistic, bad: float) -> None:
    good, broken = rows_of(statistic, 20), rows_of(statistic, 20)
    broken[-1][7] = bad
    for metric in (
        interval(broken, statistic, samples=50),
        paired_gain(good, broken, statistic, "lower", samples=50),
        paired_gain(broken, good, statistic, "higher", samples=50),
    ):
        assert math.isnan(metric.value)
        assert math.isnan(metric.low)
        assert math.isnan(metric.high)
        assert not POSITIVE.holds(metric.low)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_have_no_interval(n: int) -> None:
    for metric in (interval(np.ones(n), "mean"), paired_gain(np.ones(n), np.zeros(n), "mean", "higher")):
        assert metric.n == n
        assert math.isnan(metric.value) == (n == 0)
        assert math.isnan(metric.low)
        assert not POSITIVE.holds(lower_end(metric).value)


def test_few_rows_do_not_prove_a_gain_by_luck() -> None:
    # 3 of 5 rows better, none worse: a sign test gives p = 0.125, the plain percentiles a gain
    gain = paired_gain(np.array([1.0, 1, 1, 0, 0]), np.zeros(5), "mean", "higher")
    assert gain.low == 0.0


def test_sums_of_nothing_give_no_number() -> None:
    assert math.isnan(value_of((np.zeros(3), np.zeros(3)), "bits_per_byte"))
    metric = interval((np.array([1.0, 0.0]), np.array([4.0, 0.0])), "bits_per_byte")
    assert metric.value > 0
    assert math.isnan(metric.low)


def test_a_loss_beyond_all_bounds_is_no_gain() -> None:
    ours, theirs = (np.full(5, 1e6), np.ones(5)), (np.ones(5), np.ones(5))
    assert value_of(ours, "perplexity") == math.inf
    gain = paired_gain(ours, theirs, "perplexity", "lower")
    assert gain.value == -math.inf
    assert math.isnan(gain.low)
    assert math.isnan(paired_gain(ours, ours, "perplexity", "lower").value)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).random(30)
    whole = interval(rows, "mean", samples=100)
    monkeypatch.setattr(bootstrap, "CHUNK", 100)
    assert interval(rows, "mean", samples=100) == whole


def test_the_lower_end_is_a_metric() -> None:
    metric = interval(np.arange(10.0), "mean")
    assert lower_end(metric).model_dump() == {"value": metric.low, "n": 10, "low": None, "high": None}


@pytest.mark.parametrize(
    ("rows", "statistic", "said"),
    [
        (np.ones(3), "bits_per_byte", "reads 2 columns"),
        ((np.ones(3), np.ones(2)), "bits_per_byte", "of one length"),
        ((np.ones(3), np.ones(3)), "mean", "reads 1 columns"),
        (np.ones((3, 2)), "mean", "of one length"),
        (np.ones(3), "median", "no statistic 'median'"),
    ],
)
def test_rows_that_do_not_fit(rows: Any, statistic: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        interval(rows, statistic)


def test_rows_that_cannot_be_paired() -> None:
    with pytest.raises(ParameterError, match="3 rows cannot be paired with 4"):
        paired_gain(np.ones(3), np.ones(4), "mean", "higher")
