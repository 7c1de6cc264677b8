"""What a hosted training left behind, in the shape of `training.spec.TrainOutcome`; what a provider does not say is
absent, never made up: it names neither its machines nor their speed nor the tokens that bore loss.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.models.hosted.cost import Estimate
from corpusmith.models.hosted.shapes import Job, JobCheckpoint, JobEvent


class HostedPoint(BaseModel):
    """One point of the loss curve; `holdout_loss` over the validation file, or a batch of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: int
    loss: float | None = None
    holdout_loss: float | None = None
    seconds: float | None = Field(None, description="since the job was made, where an event said it")


class HostedOutcome(BaseModel):
    """One finished job."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    steps: int | None
    curve: tuple[HostedPoint, ...]
    loss: float | None = Field(description="mean training loss of the last tenth of the steps that were told")
    holdout_loss: float | None
    nan: bool = Field(description="a loss that was told is no number")
    tokens: int | None = Field(description="as billed: of all epochs")
    seconds: float | None
    job: str
    base: str = Field(description="the model that was fine-tuned, as the provider names it")
    model: str
    method: dict[str, Any] | None = Field(description="with the settings that the provider chose")
    seed: int | None
    estimate: Estimate
    usd: float | None = Field(description="billed tokens at the given price; null when no price is known")
    checkpoints: tuple[JobCheckpoint, ...]
    versions: dict[str, str]


def outcome_of(
    job: Job, events: Sequence[JobEvent], checkpoints: Sequence[JobCheckpoint], estimate: Estimate
) -> HostedOutcome:
    """Everything that was told of a job that succeeded."""
    told = [_told(event.data or {}, event.created_at - job.created_at) for event in events if event.type == "metrics"]
    told += [_told({"step": c.step_number, **c.metrics}, None) for c in checkpoints]
    points: dict[int, dict[str, Any]] = {}
    for point in filter(None, told):
        points.setdefault(point["step"], {}).update(point)
    curve = [points[step] for step in sorted(points)]
    losses = [(p["step"], p["loss"]) for p in curve if "loss" in p]
    holdouts = [p["holdout_loss"] for p in curve if "holdout_loss" in p]
    late = [loss for step, loss in losses if step > 0.9 * losses[-1][0]]
    nan = not all(math.isfinite(value) for value in [*(loss for _, loss in losses), *holdouts])
    return HostedOutcome(
        steps=max(points, default=None),
        curve=tuple(HostedPoint(**{name: _finite(value) for name, value in point.items()}) for point in curve),
        loss=_finite(math.fsum(late) / len(late)) if late else None,
        holdout_loss=_finite(holdouts[-1]) if holdouts else None,
        nan=nan,
        tokens=job.trained_tokens,
        seconds=None if job.finished_at is None else float(job.finished_at - job.created_at),
        job=job.id,
        base=job.model,
        model=job.fine_tuned_model or "",
        method=job.method,
        seed=job.seed,
        estimate=estimate,
        usd=estimate.price_of(job.trained_tokens),
        checkpoints=tuple(checkpoints),
        versions={name: importlib.metadata.version(name) for name in ("corpusmith", "openai")},
    )


def _told(data: dict[str, Any], seconds: int | None) -> dict[str, Any] | None:
    """A point out of the metrics of an event or a checkpoint; None when it names no step."""
    step: Any = data.get("step")
    if not _is_number(step) or not math.isfinite(step):
        return None
    point: dict[str, Any] = {"step": int(step)}
    for name, keys in (("loss", ("train_loss",)), ("holdout_loss", ("full_valid_loss", "valid_loss"))):
        value = next((data[key] for key in keys if _is_number(data.get(key))), None)
        point |= {} if value is None else {name: float(value)}
    return point if seconds is None else point | {"seconds": float(seconds)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
