"""The curve is what was told, in whatever order and by whichever door; nothing is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corpusmith.models.hosted.cost import Estimate
from corpusmith.models.hosted.outcome import HostedOutcome, outcome_of
from corpusmith.models.hosted.shapes import Job, JobCheckpoint, JobEvent

JOB = Job(id="ftjob-1", status="succeeded", model="gpt", created_at=100, finished_at=160, fine_tuned_model="ft:gpt")


def metrics(step: int, at: int = 0, **data: Any) -> JobEvent:
    return JobEvent(id=f"e{step}-{at}", created_at=100 + at, type="metrics", data={"step": step, **data})


def outcome(*events: JobEvent, checkpoints: tuple[JobCheckpoint, ...] = (), job: Job = JOB) -> HostedOutcome:
    return outcome_of(job, events, checkpoints, Estimate(tokens_per_epoch=1, epochs=1, usd_per_million=2.0))


def test_points_are_merged_by_step_and_the_whole_holdout_counts_before_a_batch_of_it() -> None:
    checkpoint = JobCheckpoint(
        id="c", step_number=20, fine_tuned_model_checkpoint="ft:c", metrics={"full_valid_loss": 0.9, "train_loss": 1.0}
    )
    found = outcome(
        metrics(20, 9, train_loss=1.0, valid_loss=1.3), metrics(1, 5, train_loss=3.0), checkpoints=(checkpoint,)
    )
    assert [(p.step, p.loss, p.holdout_loss, p.seconds) for p in found.curve] == [(1, 3.0, None, 5), (20, 1.0, 0.9, 9)]
    assert (found.steps, found.loss, found.holdout_loss, found.seconds) == (20, 1.0, 0.9, 60.0)


def test_the_loss_is_the_mean_of_the_last_tenth_of_the_steps() -> None:
    found = outcome(*(metrics(step, train_loss=float(step)) for step in range(1, 101)))
    assert found.loss == pytest.approx(sum(range(91, 101)) / 10)


def test_what_was_not_told_is_absent() -> None:
    found = outcome(
        JobEvent(id="m", created_at=101, message="hello"),
        JobEvent(id="odd", created_at=101, type="metrics", data={"step": None, "train_loss": "?"}),
        job=JOB.model_copy(update={"finished_at": None}),
    )
    assert (found.steps, found.curve, found.loss, found.tokens, found.seconds, found.usd) == (None, (), *[None] * 4)
    assert not {"loss", "tokens", "seconds", "usd"} & found.model_dump(exclude_none=True).keys()


def test_a_loss_that_is_no_number_is_said_and_never_written_as_one() -> None:
    found = outcome(metrics(1, train_loss=2.0), metrics(2, train_loss=float("nan")))
    assert found.nan
    assert found.loss is None
    assert "NaN" not in json.dumps(found.model_dump(mode="json"))


def test_what_was_billed_costs_what_the_price_says() -> None:
    found = outcome(job=JOB.model_copy(update={"trained_tokens": 500_000}))
    assert (found.tokens, found.usd) == (500_000, 1.0)
