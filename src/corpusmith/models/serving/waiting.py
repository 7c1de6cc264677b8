"""Requests that wait to be read: who comes next, and how much is read before everybody's next token."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from corpusmith.models.serving.jobs import Answering, EngineLimits

TURN_CPU, TURN_ACCELERATOR = 512, 4096


class WaitingLine:
    """Requests for answers that are not in the batch yet, oldest first.

    Args:
        limits: How much is done at once.
        turn: Most prompt tokens that are read between two tokens of the answers.
        in_parts: Whether a prompt longer than that may be read in several turns.
    """

    def __init__(self, limits: EngineLimits, turn: int, *, in_parts: bool) -> None:
        self._limits, self._turn, self._in_parts = limits, turn, in_parts
        self._waiting: deque[Answering] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, row: Answering) -> None:
        """At the end."""
        self._waiting.append(row)

    def take(self, running: Sequence[Answering], begun: Answering | None) -> tuple[list[Answering], Answering | None]:
        """Take out those to be read whole in this turn, and a long one to be begun.

        The oldest goes first; only a long one lets others pass, while another is being read. At least one is taken
        where there is room for it.

        Args:
            running: Those that are being answered.
            begun: The one whose prompt is being read in parts; the others get half of the turn then.
        """
        if any(row.gone for row in self._waiting):
            self._waiting = deque(row for row in self._waiting if not row.gone)
        there = [*running, *([begun] if begun else [])]
        rows, widest = len(there), max((row.most for row in there), default=0)
        left = self._turn // 2 if begun else self._turn
        new: list[Answering] = []
        passed: list[Answering] = []
        long: Answering | None = None
        while self._waiting and self._room(rows + 1, max(widest, self._waiting[0].most)):
            row = self._waiting[0]
            if self._in_parts and len(row.ids) > self._turn:
                if begun or long:
                    passed.append(self._waiting.popleft())
                    continue
                long = row
            elif new and len(row.ids) > left:
                break
            else:
                new.append(row)
                left -= len(row.ids)
            self._waiting.popleft()
            rows, widest = rows + 1, max(widest, row.most)
        self._waiting.extendleft(reversed(passed))
        return new, long

    def _room(self, rows: int, widest: int) -> bool:
        return rows <= self._limits.rows and (rows == 1 or rows * widest <= self._limits.cells)
