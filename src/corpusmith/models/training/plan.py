"""From the schedule to numbers: optimizer steps, accumulation, warm-up, how often the loss is noted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from corpusmith.models.training.spec import TrainSpec

CURVE_POINTS = 500
"""The loss curve has at most about this many points."""


@dataclass(frozen=True)
class Plan:
    """Numbers of one training.

    Attributes:
        steps: Optimizer steps.
        rows_per_step: Prepared rows in one forward and backward pass of one worker.
        accumulation: Passes per optimizer step.
        warmup: Steps in which the rate rises.
        log_every: Steps between points of the curve.
        workers: Training processes.
    """

    steps: int
    rows_per_step: int
    accumulation: int
    warmup: int
    log_every: int
    workers: int


def plan_steps(spec: TrainSpec, rows: int, workers: int = 1) -> Plan:
    """Fit the schedule to `rows` prepared rows.

    An optimizer step takes the number of passes that comes nearest to `schedule.batch_tokens`, at least one. A DPO row
    is two sequences.
    """
    rows_per_step = min(spec.rows_per_step, max(1, math.ceil(rows / workers)))
    sequences = 2 if spec.method == "dpo" else 1
    tokens = rows_per_step * sequences * spec.sequence_length * workers
    passes = math.ceil(math.ceil(rows / rows_per_step) / workers)
    accumulation = min(max(1, round(spec.schedule.batch_tokens / tokens)), passes)
    per_epoch = math.ceil(passes / accumulation)
    steps = spec.schedule.max_steps or max(1, math.ceil(spec.schedule.epochs * per_epoch))
    return Plan(
        steps=steps,
        rows_per_step=rows_per_step,
        accumulation=accumulation,
        warmup=min(steps - 1, round(spec.schedule.warmup_frac * steps)),
        log_every=math.ceil(steps / CURVE_POINTS),
        workers=workers,
    )
