from __future__ import annotations

from typing import Any

import pytest

from corpusmith.models.training.defaults import ScheduleWish, learning_rate, schedule_for


@pytest.mark.parametrize(
    ("method", "adapter", "parameters", "rate"),
    [
        ("sft", "lora", 8_000_000_000, 2e-4),
        ("sft", "none", 500_000_000, 2e-5),
        ("dpo", "dora", 1_000_000_000, 1e-5),
        ("sft", "qlora", 125_000_000, 4e-4),
        ("sft", "lora", 1_000_576, 4.5e-3),
        ("pretrain", "none", 1_000_576, 2.1e-3),
        ("sft", "lora", 1000, 4.5e-3),
    ],
)
def test_smaller_models_take_larger_steps(method: Any, adapter: Any, parameters: int, rate: float) -> None:
    assert learning_rate(method, adapter, parameters) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("rows", "wish", "epochs", "batch"),
    [
        (100, {}, 3.0, 192),  # 100 steps of three passes over 100 rows of 64 tokens
        (5, {}, 3.0, 64),  # at least one row
        (10**6, {}, 3.0, 16_384),
        (100, {"epochs": 1.0}, 1.0, 64),
        (100, {"batch_tokens": 1000}, 3.0, 1000),
    ],
)
def test_about_a_hundred_steps(rows: int, wish: dict[str, Any], epochs: float, batch: int) -> None:
    said = schedule_for(ScheduleWish(**wish), "sft", "lora", parameters=10**9, rows=rows, sequence_length=64)
    assert (said.epochs, said.batch_tokens, said.learning_rate) == (epochs, batch, 2e-4)


def test_what_was_said_stands() -> None:
    wish = ScheduleWish(learning_rate=1e-3, max_steps=7, decay="linear", dpo_beta=0.5)
    said = schedule_for(wish, "dpo", "none", parameters=10**6, rows=10, sequence_length=64)
    assert (said.learning_rate, said.max_steps, said.decay, said.dpo_beta) == (1e-3, 7, "linear", 0.5)
