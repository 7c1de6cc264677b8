from __future__ import annotations

import math

import pytest

from corpusmith.core.gates import Gate, Metric, Scorecard
from corpusmith.core.promotion import PromotionReport, hold

GOOD = {"accuracy": 0.7, "gain_over_base_low": 0.1, "gain_over_champion_low": -0.01, "gain_over_plain_low": 0.1}


def held(primary: str = "accuracy", floors: tuple[Gate, ...] = (), **changes: float | None) -> PromotionReport:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    card = Scorecard(metrics={name: Metric(value=value, n=10) for name, value in values.items()})
    return hold(primary, floors, card, (), base=True, champion=True, tolerance=0.02)


def test_a_better_model_passes_and_each_gate_is_shown() -> None:
    report = held()
    assert report.passed
    assert [gate.metric for gate in report.gates] == [
        "accuracy", "gain_over_base_low", "gain_over_champion_low", "gain_over_plain_low",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -1.0])
def test_a_missing_a_broken_and_a_bad_value_each_fail(name: str, value: float | None) -> None:
    report = held(**{name: value})
    assert not report.passed
    assert any(name in line for line in report.why_not())
    report.model_dump_json()


def test_no_gain_is_not_a_gain_over_the_base_but_is_no_loss_against_the_champion() -> None:
    assert not held(gain_over_base_low=0.0).passed
    assert held(gain_over_champion_low=-0.02).passed
    assert not held(gain_over_champion_low=-0.021).passed


def test_a_floor_of_the_caller_counts_and_a_nan_anywhere_fails() -> None:
    floor = Gate(metric="accuracy", op=">=", target=0.75)
    assert not held(floors=(floor,)).passed
    assert held(floors=(floor,), accuracy=0.75).passed
    assert not held(rougeL=math.nan).passed


def test_a_judge_alone_promotes_nothing() -> None:
    report = held(primary="judge_style", judge_style=3.0)
    assert not report.passed
    assert "judge" in report.why_not()[0]
