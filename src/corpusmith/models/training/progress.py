"""What a training says while it runs: the curve, rates, time left; and how it is told to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from corpusmith.core.errors import BudgetExceeded, Cancelled
from corpusmith.core.tools import Cancel
from corpusmith.models.training.checkpoints import Record
from corpusmith.models.training.memory import peak_memory_bytes
from corpusmith.models.training.plan import Plan
from corpusmith.models.training.spec import CurvePoint

LINES = 20
"""Progress lines over a whole training, about."""


class Clock:
    """Seconds of training; pauses while a checkpoint is written or the holdout is measured."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._kept = 0.0

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._kept + (0.0 if self._since is None else time.perf_counter() - self._since)

    def start(self) -> None:
        """Go on."""
        if self._since is None:
            self._since = time.perf_counter()

    def stop(self) -> None:
        """Pause."""
        self._kept = self.seconds
        self._since = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause within; a clock that stood still stays so."""
        ran = self._since is not None
        self.stop()
        yield
        if ran:
            self.start()


class Progress(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Keeps the curve, says how far it is, stops on a cancel or on a loss that is no number.

    Attributes:
        stopped: The error that asked for the stop; raised by `train` once the checkpoint is written.
        diverged: Whether the loss became NaN or infinite.
    """

    def __init__(
        self,
        plan: Plan,
        record: Record,
        clock: Clock,
        drain: Callable[[], None],
        emit: Callable[[str], None],
        cancel: Cancel | None,
    ) -> None:
        self.stopped: Cancelled | BudgetExceeded | None = None
        self.diverged = False
        self._plan, self._record, self._clock = plan, record, clock
        self._drain, self._emit, self._cancel = drain, emit, cancel
        self._every = max(1, plan.steps // LINES)
        self._before = (record.tokens, record.loss_tokens)
        self._earlier = record.seconds
        self._first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start the clock."""
        self._first_step = state.global_step
        self._clock.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Ask whether to stop: with a checkpoint first."""
        if self._cancel is None or state.global_step >= state.max_steps:
            return
        try:
            self._cancel.check()
        except (Cancelled, BudgetExceeded) as error:
            self.stopped = error
            control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: Any,  # noqa: ARG002
        state: Any,
        control: Any,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A point of the curve."""
        logs = logs or {}
        loss, holdout = logs.get("loss"), logs.get("eval_loss")
        if loss is None and holdout is None:
            return
        self._drain()
        point = CurvePoint(
            step=state.global_step,
            loss=loss,
            holdout_loss=holdout,
            learning_rate=logs.get("learning_rate"),
            tokens=self._record.tokens,
            seconds=round(self._earlier + self._clock.seconds, 3),
        )
        self._record.curve.append(point.model_dump())
        if loss is not None and not math.isfinite(loss):
            self.diverged = True
            control.should_training_stop = True
            control.should_save = False
            self._emit(f"step {state.global_step}: the loss is {loss}, training stops here")
        elif holdout is not None:
            self._emit(f"step {state.global_step}/{self._plan.steps}  holdout loss {holdout:.4f}")
        elif state.global_step % self._every == 0 or state.global_step >= self._plan.steps:
            self._say(state.global_step, point)

    def _say(self, step: int, point: CurvePoint) -> None:
        seconds = max(self._clock.seconds, 1e-9)
        useful = (self._record.tokens - self._before[0]) / seconds
        bearing = (self._record.loss_tokens - self._before[1]) / seconds
        left = seconds / max(1, step - self._first_step) * (self._plan.steps - step)
        self._emit(
            f"step {step}/{self._plan.steps}  loss {point.loss:.4f}  rate {point.learning_rate or 0.0:.1e}  "
            f"{useful:,.0f} tokens/s ({bearing:,.0f} with loss)  peak {peak_memory_bytes() / 1e9:.2f} GB  "
            f"{left:,.0f} s left"
        )


def last_loss(record: Record, steps: int) -> float:
    """Mean loss of the points of the last tenth of the steps; NaN if one of them is, or there is none."""
    points = [(point["step"], point["loss"]) for point in record.curve if point["loss"] is not None]
    if not points:
        return math.nan
    late = [loss for step, loss in points if step > 0.9 * min(steps, points[-1][0])]
    return math.fsum(late) / len(late) if all(map(math.isfinite, late)) else math.nan


def device_name() -> str:
    """Name of the device that trains."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
