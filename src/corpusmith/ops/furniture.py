"""Short lines of boilerplate: "Copy link", "Sign in", "Facebook". Their neighbours tell them from headings.

A heading of one or two words repeats as well ("Name", "Parameters"), but what follows it differs from row to row. A
short line is furniture when in at least `FURNITURE_SHARE` of the rows of a group it stands in a run of `LEAST_RUN`
repeated lines (the begin of the row counts as one) and another of them, or the end of the row, follows it. Even then it
goes only where a line that goes stands beside it. What is marked as a heading, or is the name of a usual section, goes
only between two. Related to template detection by repeated blocks (Bar-Yossef & Rajagopalan 2002), with lines for
blocks and no look at links.

A line of three words and more that stands often in one row ("Share this post") is no boilerplate by itself; such runs
show that it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import pyarrow as pa

from corpusmith.core.rows import TEXT
from corpusmith.ops.kernels.words import utf8_buffers
from corpusmith.ops.line_forms import Kind

FURNITURE_SHARE = 0.5
LEAST_RUN = 3


@dataclass(frozen=True)
class Line:
    """A line that may be boilerplate: its row, its place in bytes of the column, its normal form and kind."""

    row: int
    start: int
    end: int
    form: str
    kind: Kind


def _empty(raw: bytes) -> bool:
    """Whether nothing but white space and marks stands between two lines: a number may be the value of a label."""
    return not any(map(str.isalnum, raw.decode("utf-8", "replace")))


@dataclass(frozen=True)
class Run:
    """Lines of a row with nothing between them; whether the row begins before the first, and ends after the last."""

    lines: tuple[Line, ...]
    opens: bool
    closes: bool


def _runs_of(raw: bytes, low: int, high: int, lines: Sequence[Line]) -> Iterator[Run]:
    """The runs among `lines`, which are in order, of the row `raw[low:high]`."""
    cuts = [0, *(n for n in range(1, len(lines)) if not _empty(raw[lines[n - 1].end : lines[n].start])), len(lines)]
    for first, last in pairwise(cuts):
        run = tuple(lines[first:last])
        opens = first == 0 and _empty(raw[low : run[0].start])
        yield Run(run, opens, last == len(lines) and _empty(raw[run[-1].end : high]))


def _inner(run: Run) -> tuple[int, int]:
    """The places of the first and the last line of a run that is no heading; (0, -1) when all are."""
    plain = [place for place, line in enumerate(run.lines) if line.kind is not Kind.HEADING]
    return (plain[0], plain[-1]) if plain else (0, -1)


def _shown(run: Run) -> Iterator[str]:
    """The forms for which this run says that they are furniture."""
    first, last = _inner(run)
    if sum(line.kind is not Kind.HEADING for line in run.lines) + run.opens < LEAST_RUN:
        return
    for place in range(first, last + 1):
        if run.lines[place].kind is not Kind.SHORT or place < last or (run.closes and place == len(run.lines) - 1):
            yield run.lines[place].form


def _runs_by_row(batch: pa.Table, lines: Iterable[Line]) -> Iterator[tuple[int, bytes, list[Run]]]:
    """Per row that has some, the bytes of the column and the runs among `lines`."""
    data, offsets = utf8_buffers(batch.column(TEXT))
    raw = data.tobytes()
    for row, of_row in groupby(lines, key=lambda line: line.row):
        yield row, raw, list(_runs_of(raw, int(offsets[row]), int(offsets[row + 1]), list(of_row)))


@dataclass(frozen=True)
class RunFold:
    """Counts per (group, form) the rows in which a run shows the form to be furniture.

    Attributes:
        repeated: Per group, the forms that repeat; a row's run is of lines that repeat in one of its groups.
        groups_of: The groups of each row of a batch.
        lines_of: The lines of a batch that may be boilerplate.
    """

    repeated: Mapping[str, frozenset[str]]
    groups_of: Callable[[pa.Table], list[tuple[str, ...]]]
    lines_of: Callable[[pa.Table], Iterator[Line]]
    name: str = "FurnitureCount"

    def initial(self) -> Counter[tuple[str, str]]:
        """No counts."""
        return Counter()

    def fold(self, batch: pa.Table) -> Counter[tuple[str, str]]:
        """The counts of one batch."""
        counts: Counter[tuple[str, str]] = Counter()
        groups = self.groups_of(batch)
        lines = [
            line
            for line in self.lines_of(batch)
            if any(line.form in self.repeated.get(group, ()) for group in groups[line.row])
        ]
        for row, _, runs in _runs_by_row(batch, lines):
            shown = {form for run in runs for form in _shown(run)}
            counts.update(
                (group, form) for form in shown for group in groups[row] if form in self.repeated.get(group, ())
            )
        return counts

    def merge(self, left: Counter[tuple[str, str]], right: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
        """Both counts together."""
        left.update(right)
        return left


def places_to_cut(batch: pa.Table, lines: Iterable[Line]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Per row, where the lines stand that go, in bytes of the column.

    Of `lines`, which are boilerplate, long ones go, short ones beside another, headings between two, and with them the
    marks that stand between two that go.
    """
    for row, raw, runs in _runs_by_row(batch, lines):
        yield row, [place for run in runs for place in _cut(raw, run)]


def _cut(raw: bytes, run: Run) -> Iterator[tuple[int, int]]:
    first, last = _inner(run)
    if first == last and run.lines[first].kind is Kind.SHORT:
        return
    for place in range(first, last + 1):
        line = run.lines[place]
        before = run.lines[place - 1].end
        if place > first and raw[before : line.start].strip():
            yield before + 1, line.start - 1
        yield line.start, line.end
