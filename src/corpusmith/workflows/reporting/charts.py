"""Figures of the report as inline SVG, drawn by matplotlib with text left as text, in the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

BEFORE, AFTER, DROPPED, INK = "#b9c2cf", "#2563eb", "#d9623b", "#333b48"
MOST_BARS = 14


@dataclass(frozen=True)
class Chart:
    """A titled figure; `wide` takes the page's full width. `svg` is empty when there was nothing to draw."""

    title: str
    svg: Markup
    legend: bool = False
    wide: bool = False


def bars(title: str, counts: Mapping[str, int]) -> Chart:
    """Horizontal bars, largest first."""
    rows = _largest(counts)
    if not rows:
        return Chart(title, Markup())
    plot = _Plot(6.4, 0.5 + 0.27 * len(rows))
    plot.axes.barh(range(len(rows)), [n for _, n in rows], color=DROPPED, height=0.66)
    plot.name_rows([name for name, _ in rows], [n for _, n in rows])
    return Chart(title, plot.svg())


def paired_bars(title: str, before: Mapping[str, int], after: Mapping[str, int]) -> Chart:
    """Horizontal bars of two moments."""
    both = {name: max(before.get(name, 0), after.get(name, 0)) for name in {*before, *after}}
    rows = _largest(both)
    if not rows:
        return Chart(title, Markup())
    plot = _Plot(6.4, 0.5 + 0.4 * len(rows))
    plot.axes.barh([n - 0.19 for n in range(len(rows))], [before.get(k, 0) for k, _ in rows], color=BEFORE, height=0.36)
    plot.axes.barh([n + 0.19 for n in range(len(rows))], [after.get(k, 0) for k, _ in rows], color=AFTER, height=0.36)
    labels = [f"{before.get(k, 0):,} → {after.get(k, 0):,}" for k, _ in rows]
    plot.name_rows([name for name, _ in rows], [n for _, n in rows], labels)
    return Chart(title, plot.svg(), legend=True)


def waterfall(title: str, steps: Sequence[tuple[str, int]]) -> Chart:
    """Rows left after each step, what went in the step before in the colour of loss."""
    if not steps:
        return Chart(title, Markup())
    plot = _Plot(13, 2.5)
    rows = [n for _, n in steps]
    plot.axes.bar(range(len(rows)), rows, color=AFTER, width=0.62)
    for n in range(1, len(rows)):
        if rows[n] < rows[n - 1]:
            plot.axes.bar(n, rows[n - 1] - rows[n], bottom=rows[n], color=DROPPED, width=0.62, alpha=0.45)
    for n, value in enumerate(rows):
        top = max(value, rows[n - 1] if n else value)
        plot.axes.text(n, top, f"{value:,}", ha="center", va="bottom", color=INK, fontsize=8)
    plot.axes.set_xticks(range(len(rows)), [name for name, _ in steps], fontsize=8.5)
    plot.axes.set_yticks([])
    plot.axes.margins(y=0.15)
    return Chart(title, plot.svg(), wide=True)


def histogram(title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Chart:
    """Two histograms; `edges` (k+1 numbers) and `counts` (k), the shorter one's edges being the first of the longer."""
    edges = max(before["edges"], after["edges"], key=len)
    if not edges:
        return Chart(title, Markup())
    counts = before["counts"] + [0] * (len(edges) - 1 - len(before["counts"]))
    plot = _Plot(6.4, 2.6)
    names = [_edge(edge) for edge in edges]
    spots = range(len(counts))
    later = after["counts"] + [0] * (len(edges) - 1 - len(after["counts"]))
    plot.axes.bar(spots, counts, color=BEFORE, width=0.9)
    plot.axes.bar(spots, later, color=AFTER, width=0.5)
    step = max(1, len(counts) // 8)
    ticks = list(range(0, len(counts) + 1, step))
    plot.axes.set_xticks([t - 0.5 for t in ticks], [names[t] for t in ticks], fontsize=8)
    plot.axes.tick_params(axis="y", labelsize=8)
    return Chart(title, plot.svg(), legend=True)


def _edge(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    rows = sorted(((k, n) for k, n in counts.items() if n), key=lambda row: (-row[1], row[0]))
    if len(rows) > MOST_BARS:
        rest = rows[MOST_BARS - 1 :]
        rows = [*rows[: MOST_BARS - 1], (f"{len(rest)} others", sum(n for _, n in rest))]
    return rows


class _Plot:
    """One axes on a transparent figure, without a display."""

    def __init__(self, width_in: float, height_in: float) -> None:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self._figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(self._figure)
        self.axes = self._figure.add_subplot()
        for side in ("top", "right", "left", "bottom"):
            self.axes.spines[side].set_visible(side == "bottom")
            self.axes.spines[side].set_color("#d5dae2")
        self.axes.tick_params(length=0, colors=INK)

    def name_rows(self, names: Sequence[str], sizes: Sequence[int], labels: Sequence[str] | None = None) -> None:
        """Names at the left, figures at the end of the bars, the first row on top."""
        axes = self.axes
        axes.set_yticks(
            range(len(names)), [name if len(name) <= 38 else f"…{name[-37:]}" for name in names], fontsize=8.5
        )
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.margins(x=0.22, y=0.02)
        for n, size in enumerate(sizes):
            axes.text(size, n, f"  {labels[n] if labels else f'{size:,}'}", va="center", color=INK, fontsize=8)

    def svg(self) -> Markup:
        """The SVG element, without a prolog, text as text, with no generator's date or random ids."""
        import matplotlib as mpl

        sink = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "corpusmith", "font.family": "sans-serif"}):
            self._figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = sink.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"font:([^;\"]*)'[^;\"]*", "font:\\1system-ui, sans-serif", text)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
        return Markup(text)  # noqa: S704 - matplotlib escapes the names it draws
