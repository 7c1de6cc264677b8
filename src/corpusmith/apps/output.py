"""What a person or a script sees: tables and lines, one JSON object, one clear error. The exit status is decided here.

With `--json` the last line on stdout is one JSON object and everything else goes to stderr.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from corpusmith.core.errors import CorpusmithError


def say(text: str = "") -> None:
    """A line for the person, on stderr, so that stdout stays for results."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str = "") -> None:
    """A line of the result, on stdout."""
    sys.stdout.write(text + "\n")


def show_json(value: Any) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def boundary(as_json: bool) -> Iterator[None]:
    """Turn an error of the tree into one line and its exit status; the only place where that happens."""
    try:
        yield
    except CorpusmithError as error:
        fail(error, as_json)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None


def fail(error: CorpusmithError, as_json: bool) -> NoReturn:
    """Print the error and exit with its status."""
    say(f"corpusmith: {error.message}")
    if error.hint:
        say(f"  next: {error.hint}")
    if as_json:
        kind = type(error).__name__
        show_json({"status": error.exit_status, "error": {"type": kind, "message": error.message, "hint": error.hint}})
    raise SystemExit(error.exit_status)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain aligned table; numbers to the right."""
    cells = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    numeric = [all(_is_number(row[i]) for row in cells[1:]) for i in range(len(head))]
    lines = []
    for n, row in enumerate(cells):
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, numeric, strict=True)]
        lines.append("  ".join(padded).rstrip())
        if n == 0:
            lines.append("  ".join("-" * w for w in widths))
    return "\n".join(lines)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").replace("-", "").isdigit() or cell in ("", "-", "?")


def figure(value: float | None) -> str:
    """A measured value for a table."""
    if value is None:
        return "-"
    return f"{int(value):,}" if value == int(value) and abs(value) >= 2 else f"{value:.4f}"


class Progress:
    """Rows, rate and time left: one line that is redrawn on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._tty = sys.stderr.isatty()
        self._rows, self._started, self._shown = 0, time.monotonic(), time.monotonic()

    def line(self, text: str) -> None:
        """A sentence about what happens now; starts a new count of rows."""
        self._rows, self._started = 0, time.monotonic()
        if not self.quiet:
            say(("\r\x1b[K" if self._tty else "") + text)

    def rows(self, count: int) -> None:
        """`count` more rows are done."""
        self._rows += count
        now = time.monotonic()
        if self.quiet or now - self._shown < (0.2 if self._tty else 5.0):
            return
        self._shown = now
        rate = self._rows / max(now - self._started, 1e-9)
        text = f"    {self._rows:,} rows, {rate:,.0f}/s"
        sys.stderr.write(f"\r\x1b[K{text}" if self._tty else text + "\n")
        sys.stderr.flush()
