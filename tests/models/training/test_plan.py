from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corpusmith.models.training.plan import plan_steps


@pytest.mark.parametrize(
    ("count", "workers", "said", "wanted"),
    [  # steps, rows_per_step, accumulation
        (100, 1, {}, (39, 4, 2)),  # 25 passes, 2 a step, 13 steps an epoch
        (100, 2, {}, (39, 4, 1)),
        (3, 1, {}, (3, 3, 1)),  # fewer rows than one pass takes
        (100, 1, {"batch_tokens": 1}, (75, 4, 1)),
        (100, 1, {"batch_tokens": 10**9}, (3, 4, 25)),  # never more than an epoch
        (100, 1, {"epochs": 0.5}, (7, 4, 2)),
        (100, 1, {"max_steps": 5}, (5, 4, 2)),
    ],
)
def test_steps_and_accumulation(
    spec: Callable[..., Any], count: int, workers: int, said: dict[str, Any], wanted: tuple[int, int, int]
) -> None:
    plan = plan_steps(spec(schedule={"max_steps": None, "epochs": 3, "batch_tokens": 8 * 64} | said), count, workers)
    assert (plan.steps, plan.rows_per_step, plan.accumulation) == wanted
    assert plan.warmup < plan.steps


def test_a_preference_is_two_sequences(spec: Callable[..., Any]) -> None:
    assert plan_steps(spec(), 100).accumulation == 2 * plan_steps(spec(method="dpo"), 100).accumulation
