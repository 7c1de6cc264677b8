"""Lines that repeat across a source (navigation, footers, calls to subscribe): find, count and take them out.

A line is boilerplate when, trimmed, with case folded and one number (or dates and counts) as 0, it stands in at least
`min_rows` rows and in at least `min_share` of the rows of one group: a source file, its folder, the host named in
`meta`, or the whole corpus.
Headings, code and list marks are structure, not boilerplate: a line needs three words (or be a well-known label such
as "Sign in"), must not look like code, and must stand about once in a row that has it; of lines that are shorter or
stand more often, `furniture` says which go as well. Related to CCNet's paragraph
deduplication (Wenzek et al. 2020), which drops every repeated paragraph; here the share of rows decides.

Two folds over the data keep time and memory bounded: a fixed table of counters (a one-row count-min sketch, Cormode &
Muthukrishnan 2005) over rough keys of lines (`kernels.line_keys`) finds those that may be frequent, then only these are
brought to normal form and counted exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from corpusmith.core.operators import RowOperator
from corpusmith.core.rows import META, SOURCE, TEXT, Shape, note_changed, set_column, shape_of
from corpusmith.core.tools import Dataset, Engine
from corpusmith.ops.furniture import FURNITURE_SHARE, Line, RunFold, places_to_cut
from corpusmith.ops.kernels.line_keys import CELL_BITS, letter_table, line_cell, line_spans
from corpusmith.ops.kernels.words import I64, U8, utf8_buffers
from corpusmith.ops.line_forms import LABELS, MAX_LINE, Kind, line_form

MIN_ROWS, MIN_SHARE = 8, 0.05
_MOST_CELLS = 1 << 22
_MAX_ONCE = 1.6
_MOST_GROUPS = 20_000
_HOST = re.compile(r"https?://(?:www\.)?([^/\"\\\s:]+)")


def _candidates(batch: pa.Table, wanted: U8) -> Iterator[Line]:
    """The lines outside fenced code that may be boilerplate, in order."""
    data, offsets = utf8_buffers(batch.column(TEXT))
    found = _line_spans(data, offsets, wanted)
    raw = data.tobytes()[: int(offsets[-1])] if len(found) else b""
    for row, start, end, _ in found.tolist():
        known = line_form(raw[start:end].decode("utf-8", "replace"))
        if known is not None:
            yield Line(row, start, end, *known)


def _line_spans(data: U8, offsets: I64, wanted: U8) -> I64:
    room = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == ord("\n"))) + offsets.size
    spans = np.empty((room, 4), np.int64)
    return spans[: line_spans(data, offsets, *letter_table(), wanted, 4 * MAX_LINE, spans)]


def _cells_of(forms: Iterable[str]) -> U8:
    """The cells in which lines of these normal forms are, one bit each."""
    raw = [form.encode() for form in forms]
    bits = np.zeros(1 << (CELL_BITS - 3), np.uint8)
    for line in raw:
        cell = line_cell(np.frombuffer(line or b" ", np.uint8), 0, len(line), *letter_table())
        if cell >= 0:
            bits[cell >> 3] |= 1 << (cell & 7)
    return bits


def _groups(source: str, meta: str) -> tuple[str, ...]:
    """The groups a row counts for: corpus, folder, file, host."""
    host = _HOST.search(meta)
    folder = source.rsplit("/", 1)[0] if "/" in source else ""
    return ("*", f"d:{folder}", f"f:{source}", *([f"h:{host.group(1).lower()}"] if host else []))


def _groups_of(batch: pa.Table) -> list[tuple[str, ...]]:
    metas = batch.column(META).to_pylist() if META in batch.schema.names else [""] * batch.num_rows
    sources = batch.column(SOURCE).to_pylist()
    return [_groups(source or "", meta or "") for source, meta in zip(sources, metas, strict=True)]


@dataclass
class _Rough:
    """Rows per group, and per cell the rows with such a line: a list of cells, and their counts once it is long."""

    groups: Counter[str] = field(default_factory=Counter)
    cells: tuple[npt.NDArray[np.uint32], ...] = ()
    counts: npt.NDArray[np.uint16] | None = None

    def counted(self) -> npt.NDArray[np.uint16]:
        """The counts, which stop at their highest value."""
        counts = np.zeros(1 << CELL_BITS, np.uint16) if self.counts is None else self.counts.copy()
        for cells in self.cells:
            here, rows = np.unique(cells, return_counts=True)
            counts[here] = np.minimum(counts[here].astype(np.int64) + rows, 0xFFFF).astype(np.uint16)
        return counts

    def frequent(self, least: int) -> U8:
        """One bit a cell: whether `least` rows, at most 0xFFFF, have a line in it."""
        if self.counts is not None or not self.cells:
            return np.packbits(self.counted() >= least, bitorder="little")
        cells, rows = np.unique(np.concatenate(self.cells), return_counts=True)  # few: no table of all cells is made
        found = cells[rows >= least]
        bits = np.zeros(1 << (CELL_BITS - 3), np.uint8)
        np.bitwise_or.at(bits, found >> 3, (1 << (found & 7)).astype(np.uint8))
        return bits


@dataclass(frozen=True)
class _RoughFold:
    name: str = "BoilerplateSketch"

    def initial(self) -> _Rough:
        return _Rough()

    def fold(self, batch: pa.Table) -> _Rough:
        groups = Counter(group for of_row in _groups_of(batch) for group in of_row)
        data, offsets = utf8_buffers(batch.column(TEXT))
        found = _line_spans(data, offsets, np.zeros(0, np.uint8))
        pairs = np.unique((found[:, 0] << CELL_BITS) | found[:, 3])  # a row counts once for a line it repeats
        return _Rough(groups, ((pairs & ((1 << CELL_BITS) - 1)).astype(np.uint32),))

    def merge(self, left: _Rough, right: _Rough) -> _Rough:
        merged = _Rough(left.groups + right.groups, left.cells + right.cells, left.counts)
        if right.counts is not None or sum(map(len, merged.cells)) > _MOST_CELLS:
            more = merged.counted().astype(np.int64) + (0 if right.counts is None else right.counts)
            return _Rough(merged.groups, (), np.minimum(more, 0xFFFF).astype(np.uint16))
        return merged


@dataclass
class _Exact:
    """Per (group, line): rows that have it and times it stands; per line its normal form and whether it is long."""

    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    times: Counter[tuple[str, int]] = field(default_factory=Counter)
    forms: dict[int, tuple[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True)
class _ExactFold:
    wanted: U8
    groups: frozenset[str]
    name: str = "BoilerplateCount"

    def initial(self) -> _Exact:
        return _Exact()

    def fold(self, batch: pa.Table) -> _Exact:
        state = _Exact()
        seen = Counter((line.row, line.form, line.kind is Kind.LONG) for line in _candidates(batch, self.wanted))
        groups = [[group for group in of_row if group in self.groups] for of_row in _groups_of(batch)]
        for (row, form, long), times in seen.items():
            line = xxhash.xxh3_64_intdigest(form.encode())
            state.forms[line] = (form, long)
            for group in groups[row]:
                state.rows[group, line] += 1
                state.times[group, line] += times
        return state

    def merge(self, left: _Exact, right: _Exact) -> _Exact:
        if not left.rows:
            return right
        left.rows.update(right.rows)  # in place: this state is the engine's alone
        left.times.update(right.times)
        left.forms.update(right.forms)
        return left


@dataclass(frozen=True)
class Boilerplate:
    """The boilerplate lines of a dataset, by group.

    Attributes:
        lines: (group, normal form) pairs, sorted. Groups are `*` (all rows), `d:` folder, `f:` file, `h:` host.
    """

    lines: tuple[tuple[str, str], ...] = ()

    @cached_property
    def _by_group(self) -> dict[str, frozenset[str]]:
        return _by_group(self.lines)

    def __getstate__(self) -> tuple[tuple[str, str], ...]:
        return self.lines

    def __setstate__(self, lines: tuple[tuple[str, str], ...]) -> None:
        object.__setattr__(self, "lines", lines)

    @cached_property
    def cells(self) -> U8:
        """Where `kernels.line_keys` finds them, one bit a cell."""
        return _cells_of(self.forms)

    @cached_property
    def forms(self) -> frozenset[str]:
        """The different lines, as normal forms."""
        return frozenset(form for _, form in self.lines)

    def of(self, source: str, meta: str) -> frozenset[str]:
        """The normal forms that are boilerplate in a row of `source` with the JSON `meta`."""
        found = [self._by_group[group] for group in _groups(source, meta) if group in self._by_group]
        return frozenset().union(*found)


def _by_group(lines: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for group, form in lines:
        groups.setdefault(group, set()).add(form)
    return {group: frozenset(forms) for group, forms in groups.items()}


def find_boilerplate(
    data: Dataset,
    engine: Engine,
    min_rows: int = MIN_ROWS,
    min_share: float = MIN_SHARE,
    before: Sequence[RowOperator] = (),
) -> Boilerplate:
    """The lines that repeat across the rows of a group.

    Args:
        data: A dataset; only rows of the text shape have boilerplate (a prompt that repeats is no boilerplate).
        engine: Runs the two folds.
        min_rows: Rows of a group that must have the line, at least 2.
        min_share: Share of the group's rows that must have it, 0-1.
        before: Operators that run on the rows first, as they will when the lines are taken out.
    """
    if data.rows < min_rows or data.shape is not Shape.TEXT:
        return Boilerplate()
    rough = engine.fold(data, before, _RoughFold())
    sizes = {name: rows for name, rows in rough.groups.most_common(_MOST_GROUPS) if rows >= min_rows}
    least = min(0xFFFF, max(min_rows, int(min_share * min(sizes.values(), default=0))))
    exact = engine.fold(data, before, _ExactFold(rough.frequent(least), frozenset(sizes)))
    lines, doubtful = set[tuple[str, str]](), set[tuple[str, str]]()
    for (group, line), rows in exact.rows.items():
        form, long = exact.forms[line]
        if rows < max(min_rows, min_share * sizes[group]):
            continue
        if long and (exact.times[group, line] <= _MAX_ONCE * rows or form in LABELS):
            lines.add((group, form))
        elif rows >= max(min_rows, FURNITURE_SHARE * sizes[group]):
            doubtful.add((group, form))
    if doubtful:
        repeated = _by_group(lines | doubtful)
        cells = _cells_of({form for forms in repeated.values() for form in forms})
        shown = engine.fold(data, before, RunFold(repeated, _groups_of, partial(_candidates, wanted=cells)))
        lines |= {
            (group, form)
            for group, form in doubtful
            if shown[group, form] >= max(min_rows, FURNITURE_SHARE * sizes[group])
        }
    everywhere = {form for group, form in lines if group == "*"}
    return Boilerplate(tuple(sorted(line for line in lines if line[0] == "*" or line[1] not in everywhere)))


def _found(batch: pa.Table, boilerplate: Boilerplate) -> dict[int, list[tuple[int, int]]]:
    """Per row that has boilerplate lines, where they stand, in bytes of the column."""
    if not boilerplate.lines or shape_of(batch.schema) is not Shape.TEXT:
        return {}
    metas = batch.column(META) if META in batch.schema.names else None
    sources = batch.column(SOURCE)
    lines = []
    for line in _candidates(batch, boilerplate.cells):
        source, meta = sources[line.row].as_py() or "", "" if metas is None else metas[line.row].as_py() or ""
        if line.form in boilerplate.forms and line.form in boilerplate.of(source, meta):
            lines.append(line)
    return {row: places for row, places in places_to_cut(batch, lines) if places}


def _without(raw: bytes, low: int, high: int, places: Sequence[tuple[int, int]]) -> str:
    """The text `raw[low:high]` without the lines at `places`."""
    kept, done = [], low
    for start, end in places:
        kept.append(raw[done:start])
        done = min(end + 1, high)
    text = (b"".join(kept) + raw[done:high]).decode("utf-8", "replace")
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n")


@dataclass(frozen=True)
class CountBoilerplate:
    """Adds int64 `boilerplate_lines`: lines of the row's text that are boilerplate."""

    boilerplate: Boilerplate
    name: str = "CountBoilerplate"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the count column added."""
        counts = np.zeros(batch.num_rows, np.int64)
        for row, places in _found(batch, self.boilerplate).items():
            counts[row] = len(places)
        return set_column(batch, "boilerplate_lines", pa.array(counts))


@dataclass(frozen=True)
class StripBoilerplate:
    """Takes boilerplate lines out. Rule `boilerplate` (lines). A row of nothing else becomes empty."""

    boilerplate: Boilerplate
    name: str = "StripBoilerplate"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch without boilerplate lines."""
        found = _found(batch, self.boilerplate)
        if not found:
            return batch
        counts = np.zeros(batch.num_rows, np.int64)
        texts = batch.column(TEXT).to_pylist()
        data, offsets = utf8_buffers(batch.column(TEXT))
        raw = data.tobytes()
        for row, places in found.items():
            counts[row] = len(places)
            texts[row] = _without(raw, int(offsets[row]), int(offsets[row + 1]), places)
        return note_changed(set_column(batch, TEXT, pa.array(texts, pa.large_string())), "boilerplate", counts)
