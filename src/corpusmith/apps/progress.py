"""Where long work stands: rows, rate and time left, on one line that is redrawn on a terminal, a plain line every few
seconds elsewhere. On stderr.
"""

from __future__ import annotations

import sys
import time

from corpusmith.apps.output import say

EVERY_S, EVERY_TTY_S = 10.0, 0.2
MOST = 110
"""Characters of a line that is redrawn."""
_CLEAR = "\r\x1b[K"


class Progress:
    """One display per process. `quiet` shows nothing at all."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._tty = sys.stderr.isatty()
        self._doing = "working"
        self._rows, self._total = 0, 0
        self._started = self._shown = time.monotonic()

    def line(self, text: str) -> None:
        """A sentence that stays."""
        if not self.quiet:
            say((_CLEAR if self._tty else "") + text)

    def doing(self, what: str) -> None:
        """Name what the rows that follow are counted for; nothing is shown until it takes long."""
        self._doing = what
        self.begin(0)

    def told(self, text: str) -> None:
        """What a step says of itself: several lines stay, one line is redrawn or shown every few seconds."""
        if self.quiet:
            return
        if "\n" in text:
            for line in text.rstrip().splitlines():
                self.line(f"         {line}")
            return
        now = time.monotonic()
        if now - self._shown >= (EVERY_TTY_S if self._tty else EVERY_S):
            self._shown = now
            sys.stderr.write(f"{_CLEAR}    {text[:MOST]}" if self._tty else f"    {text}\n")
            sys.stderr.flush()

    def begin(self, total: int) -> None:
        """A pass over `total` rows begins; 0 = nobody knows how many."""
        self._rows, self._total, self._started = 0, total, time.monotonic()

    def rows(self, count: int) -> None:
        """`count` more rows are done."""
        self._rows += count
        now = time.monotonic()
        if self.quiet or now - max(self._shown, self._started) < (EVERY_TTY_S if self._tty else EVERY_S):
            return
        self._shown = now
        text = "    " + self.standing(now - self._started)
        sys.stderr.write(_CLEAR + text if self._tty else text + "\n")
        sys.stderr.flush()

    def standing(self, seconds: float) -> str:
        """What is done after `seconds` of the pass: `clean: 1,200 of 9,000 rows, 400/s, 20 s left`."""
        rate = self._rows / max(seconds, 1e-3)
        of = f" of {self._total:,}" if self._total else ""
        text = f"{self._doing}: {self._rows:,}{of} rows, {rate:,.0f}/s"
        if self._total > self._rows and rate > 0:
            text += f", {_span((self._total - self._rows) / rate)} left"
        return text


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
