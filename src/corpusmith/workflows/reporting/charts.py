"""Figures of the report as plain values that the template draws with HTML boxes: their text keeps its size on a phone,
wraps, is escaped like all other text, and needs no drawing library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MOST_BARS = 12
MOST_BINS = 36
REST = "(other)"
"""Under this name a profile sums what it does not list."""


@dataclass(frozen=True)
class Bar:
    """One line (or one bin).

    Attributes:
        name: What is counted.
        main: Length of the bar in percent of the chart, 0-100: the value afterwards, or the only one.
        other: In percent: the value before (pairs and histograms), or what was lost in the step (paths).
        label: The figures as text.
    """

    name: str
    main: float
    other: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A titled figure. `kind` says how its bars are drawn; `loss` colours them as something taken away."""

    title: str
    kind: Literal["bars", "pairs", "path", "histogram"]
    bars: tuple[Bar, ...]
    loss: bool = False

    @property
    def compares(self) -> bool:
        """Whether it shows two moments, and so needs a key."""
        return self.kind in ("pairs", "histogram")


def bars(title: str, counts: Mapping[str, int], loss: bool = False) -> Chart:
    """One bar per name, largest first."""
    rows = _largest({name: (0, n) for name, n in counts.items()})
    most = max((n for _, (_, n) in rows), default=1)
    return Chart(title, "bars", tuple(Bar(name, 100 * n / most, 0.0, f"{n:,}") for name, (_, n) in rows), loss)


def paired_bars(title: str, before: Mapping[str, int], after: Mapping[str, int]) -> Chart:
    """Two bars per name, for two moments."""
    rows = _largest({name: (before.get(name, 0), after.get(name, 0)) for name in {*before, *after}})
    most = max((max(pair) for _, pair in rows), default=1)
    return Chart(
        title,
        "pairs",
        tuple(Bar(name, 100 * new / most, 100 * old / most, f"{old:,} → {new:,}") for name, (old, new) in rows),
    )


def path(title: str, steps: Sequence[tuple[str, int]]) -> Chart:
    """Rows left after each step; what went in the step stands behind, in the colour of loss."""
    most = max((rows for _, rows in steps), default=0) or 1
    out, before = [], None
    for name, rows in steps:
        lost = 0 if before is None else before - rows
        label = f"{rows:,}" + (f" (−{lost:,})" if lost > 0 else f" (+{-lost:,})" if lost < 0 else "")
        out.append(Bar(name, 100 * rows / most, 100 * max(lost, 0) / most, label))
        before = rows
    return Chart(title, "path", tuple(out))


def histogram(title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Chart:
    """Two histograms over the same bins.

    Args:
        title: Its heading.
        before: `edges` (k+1 numbers) and `counts` (k).
        after: The same; the shorter one's edges are the first of the longer one's.
    """
    edges = max(before["edges"], after["edges"], key=len)
    size = max(len(edges) - 1, 0)
    old, new = (list(h["counts"]) + [0] * (size - len(h["counts"])) for h in (before, after))
    full = [n for n in range(size) if old[n] or new[n]]
    if not full:
        return Chart(title, "histogram", ())
    first, last = full[0], full[-1]
    join = -(-(last + 1 - first) // MOST_BINS)
    bins = [
        (edges[n], edges[min(n + join, size)], sum(old[n : n + join]), sum(new[n : n + join]))
        for n in range(first, last + 1, join)
    ]
    most = max(max(a, b) for _, _, a, b in bins)
    return Chart(
        title,
        "histogram",
        tuple(
            Bar(_edge(low), 100 * b / most, 100 * a / most, f"{low:g} to {high:g}: {a:,} → {b:,}")
            for low, high, a, b in bins
        ),
    )


def _edge(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:g}"


def _largest(counts: Mapping[str, tuple[int, int]]) -> list[tuple[str, tuple[int, int]]]:
    """The names with the largest counts; the rest summed under one line, both moments of it."""
    rows = sorted(
        ((name, pair) for name, pair in counts.items() if any(pair) and name != REST),
        key=lambda row: (-max(row[1]), row[0]),
    )
    rest = [pair for _, pair in rows[MOST_BARS:]] + [counts.get(REST, (0, 0))]
    old, new = sum(pair[0] for pair in rest), sum(pair[1] for pair in rest)
    return [*rows[:MOST_BARS], ("all others", (old, new))] if old or new else rows
