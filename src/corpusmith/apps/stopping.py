"""Ends work at the next safe point: on Ctrl-C, on SIGTERM, or when the time of a run is spent."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from corpusmith.core.errors import BudgetExceeded, Cancelled


@dataclass
class Stop:
    """A `core.tools.Cancel`.

    Attributes:
        what: What is stopped, as a person would say it ("run r-...").
        again: The command that goes on with it.
        deadline: Monotonic seconds at which the time budget ends; None = never.
        asked: Whether a signal came.
    """

    what: str
    again: str
    deadline: float | None = None
    asked: bool = False

    def check(self) -> None:
        """Raise Cancelled or BudgetExceeded when it is time to stop."""
        if self.asked:
            raise Cancelled(f"{self.what} was stopped", hint=self.again)
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise BudgetExceeded(f"the time budget of {self.what} is spent", hint=f"{self.again} --max-minutes N")

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for SIGINT and SIGTERM; a second one ends the process at once."""

        def handle(number: int, _frame: FrameType | None) -> None:
            if self.asked:
                raise SystemExit(128 + number)
            self.asked = True

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)
