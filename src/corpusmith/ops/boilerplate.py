"""Lines that repeat across a source (navigation, footers, calls to subscribe): find, count and take them out.

A line is boilerplate when, trimmed, with case folded and one number (or dates and counts) as 0, it stands in at least
`min_rows` rows and in at least `min_share` of the rows of one group: a source file, its folder, the host named in
`meta`, or the whole corpus.
Headings, code and list marks are structure, not boilerplate: a line needs three words (or be a well-known label such
as "Sign in"), must not look like code, and must stand about once in a row that has it. Related to CCNet's paragraph
deduplication (Wenzek et al. 2020), which drops every repeated paragraph; here the share of rows decides.

Two folds over the data keep memory bounded: a fixed table of counters (a one-row count-min sketch, Cormode &
Muthukrishnan 2005) finds lines that may be frequent, then only those are counted exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from corpusmith.core.operators import RowOperator
from corpusmith.core.rows import META, SOURCE, TEXT, Shape, note_changed, set_column, shape_of
from corpusmith.core.tools import Dataset, Engine

MIN_ROWS, MIN_SHARE = 8, 0.05
_TABLE_BITS = 20
_MAX_ONCE = 1.6
_MAX_LINE = 400
_MOST_GROUPS = 20_000
_DIGITS = re.compile(r"\d+")
_COUNTS = re.compile(
    r"©|copyright|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\bpage\b|\bcomments?\b|\blikes?\b|\bviews?\b|"
    r"\bmin read\b|\d (?:am|pm|a\.m|p\.m)\b|\bupdated\b|\bposted\b|\d+[:.]\d\d\b",
    re.I,
)
_SPACE = re.compile(r"\s+")
_SPACELESS = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_HOST = re.compile(r"https?://(?:www\.)?([^/\"\\\s:]+)")
_CODE = re.compile(
    r"^(?:>>>|\.\.\.|[$#%>|@{}()<]|import |from \S+ import|def |class |return\b|(?:for|if|while|with) .*:$|try:|"
    r"else:|except|var |let |const |function |public |private |#include|using |package |\\|//|/\*|\*/|--|```|~~~)"
    r"|[;{}]\s*$|\)\s*:\s*$|\w\(.*\)\s*$|\w\s*[=:]=?\s*[\w\"'\[({].*[\])}\"']\s*$|^\S+\s*=\s*\S+"
)
_STRUCTURE = re.compile(
    r"^(?:(?:newly |also )?(?:new|added|changed|deprecated|removed|introduced)(?:,? since)?(?: in)?(?: version)? \S*\d|"
    r"availability|see also|return(?:s|ed)?\b|parameters?\b|raises?\b|the following (?:table|example)|for example)",
    re.I,
)


def _labels(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


_LABELS = _labels(
    "share|subscribe|sign in|sign up|log in|login|register|menu|search|home|comments|leave a comment|reply|read more|"
    "back to top|skip to content|skip to main content|advertisement|share this|print|email|tweet|follow|follow us|"
    "contact us|about us|privacy policy|terms of service|terms of use|cookie policy|accept|accept all|next|previous|"
    "no posts|ready for more?|listen|open in app|get the app|sponsored|related articles|related posts|load more|"
    "all rights reserved|top new|write"
)
"""Short labels that are boilerplate where they repeat, though they have fewer than three words."""


def normal_form(line: str) -> str | None:
    """What two lines have in common when they are the same boilerplate; None for a line that never is any."""
    bare = line.strip()
    if not 3 < len(bare) <= _MAX_LINE or line.startswith(("    ", "\t")):
        return None
    label = bare.strip(" #*_-•·|[]()>").casefold()
    form = _SPACE.sub(" ", label)
    if len(_DIGITS.findall(form)) < 2 or _COUNTS.search(form):
        form = _DIGITS.sub("0", form)
    if form in _LABELS:
        return form
    words = len(_WORD.findall(bare))
    letters = sum(map(str.isalpha, bare))
    dense = letters >= 8 and _SPACELESS.search(bare) is not None
    if (words < 3 and not dense) or letters < 8 or letters < 0.4 * len(bare):
        return None
    return None if bare.endswith(":") or _CODE.search(bare) or _STRUCTURE.match(form) else form


def _forms(text: str) -> Iterator[tuple[int, str]]:
    """Normal forms of the lines of `text` outside fenced code, with their hashes."""
    fenced = False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            form = normal_form(line)
            if form:
                yield xxhash.xxh3_64_intdigest(form.encode()), form


def _groups(source: str, meta: str) -> tuple[str, ...]:
    """The groups a row counts for: corpus, folder, file, host."""
    host = _HOST.search(meta)
    folder = source.rsplit("/", 1)[0] if "/" in source else ""
    return ("*", f"d:{folder}", f"f:{source}", *([f"h:{host.group(1).lower()}"] if host else []))


def _slot(group: str, line: int) -> int:
    mixed = (xxhash.xxh3_64_intdigest(group.encode()) ^ line) * 0x9E3779B97F4A7C15
    return (mixed & 0xFFFFFFFFFFFFFFFF) >> (64 - _TABLE_BITS)


def _rows_of(batch: pa.Table) -> Iterator[tuple[tuple[str, ...], str]]:
    if shape_of(batch.schema) is not Shape.TEXT:
        return
    metas = batch.column(META).to_pylist() if META in batch.schema.names else [""] * batch.num_rows
    for source, meta, text in zip(batch.column(SOURCE).to_pylist(), metas, batch.column(TEXT).to_pylist(), strict=True):
        yield _groups(source or "", meta or ""), text or ""


@dataclass
class _Sketch:
    """Rows per group, and rows per (group, line) in a table of counters that may only count too many."""

    table: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(1 << _TABLE_BITS, np.int32))
    groups: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _SketchFold:
    name: str = "BoilerplateSketch"

    def initial(self) -> _Sketch:
        return _Sketch()

    def fold(self, batch: pa.Table) -> _Sketch:
        state = _Sketch()
        for groups, text in _rows_of(batch):
            state.groups.update(groups)
            lines = {line for line, _ in _forms(text)}
            slots = [_slot(group, line) for group in groups for line in lines]
            np.add.at(state.table, slots, 1)
        return state

    def merge(self, left: _Sketch, right: _Sketch) -> _Sketch:
        return _Sketch(left.table + right.table, left.groups + right.groups)


@dataclass
class _Exact:
    """Per (group, line): rows that have it and times it stands; per line its normal form."""

    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    times: Counter[tuple[str, int]] = field(default_factory=Counter)
    forms: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _ExactFold:
    frequent: frozenset[int]
    groups: frozenset[str]
    name: str = "BoilerplateCount"

    def initial(self) -> _Exact:
        return _Exact()

    def fold(self, batch: pa.Table) -> _Exact:
        state = _Exact()
        for groups, text in _rows_of(batch):
            seen: Counter[int] = Counter()
            forms = {}
            for line, form in _forms(text):
                seen[line] += 1
                forms[line] = form
            for group in groups:
                if group in self.groups:
                    for line, times in seen.items():
                        if _slot(group, line) in self.frequent:
                            state.rows[group, line] += 1
                            state.times[group, line] += times
                            state.forms[line] = forms[line]
        return state

    def merge(self, left: _Exact, right: _Exact) -> _Exact:
        return _Exact(left.rows + right.rows, left.times + right.times, {**left.forms, **right.forms})


@dataclass(frozen=True)
class Boilerplate:
    """The boilerplate lines of a dataset, by group.

    Attributes:
        lines: (group, normal form) pairs, sorted. Groups are `*` (all rows), `d:` folder, `f:` file, `h:` host.
    """

    lines: tuple[tuple[str, str], ...] = ()

    @cached_property
    def _by_group(self) -> dict[str, frozenset[str]]:
        groups: dict[str, set[str]] = {}
        for group, form in self.lines:
            groups.setdefault(group, set()).add(form)
        return {group: frozenset(forms) for group, forms in groups.items()}

    def __getstate__(self) -> tuple[tuple[str, str], ...]:
        return self.lines

    def __setstate__(self, lines: tuple[tuple[str, str], ...]) -> None:
        object.__setattr__(self, "lines", lines)

    @property
    def forms(self) -> frozenset[str]:
        """The different lines, as normal forms."""
        return frozenset(form for _, form in self.lines)

    def of(self, source: str, meta: str) -> frozenset[str]:
        """The normal forms that are boilerplate in a row of `source` with the JSON `meta`."""
        found = [self._by_group[group] for group in _groups(source, meta) if group in self._by_group]
        return frozenset().union(*found)


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
    sketch = engine.fold(data, before, _SketchFold())
    groups = frozenset(name for name, rows in sketch.groups.most_common(_MOST_GROUPS) if rows >= min_rows)
    frequent = frozenset(np.flatnonzero(sketch.table >= min_rows).tolist())
    exact = engine.fold(data, before, _ExactFold(frequent, groups))
    lines = [
        (group, exact.forms[line])
        for (group, line), rows in exact.rows.items()
        if rows >= max(min_rows, min_share * sketch.groups[group])
        and (exact.times[group, line] <= _MAX_ONCE * rows or exact.forms[line] in _LABELS)
    ]
    everywhere = {form for group, form in lines if group == "*"}
    return Boilerplate(tuple(sorted(line for line in lines if line[0] == "*" or line[1] not in everywhere)))


def _split(text: str, forms: frozenset[str]) -> tuple[str, int]:
    """`text` without its boilerplate lines, and how many there were."""
    kept, count, fenced = [], 0, False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if not fenced and (form := normal_form(line)) is not None and form in forms:
            count += 1
        else:
            kept.append(line)
    if not count:
        return text, 0
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n"), count


@dataclass(frozen=True)
class CountBoilerplate:
    """Adds int64 `boilerplate_lines`: lines of the row's text that are boilerplate."""

    boilerplate: Boilerplate
    name: str = "CountBoilerplate"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the count column added."""
        counts = np.zeros(batch.num_rows, np.int64)
        if self.boilerplate.lines and shape_of(batch.schema) is Shape.TEXT:
            for row, (forms, text) in enumerate(_with_forms(batch, self.boilerplate)):
                counts[row] = _split(text, forms)[1] if forms else 0
        return set_column(batch, "boilerplate_lines", pa.array(counts))


@dataclass(frozen=True)
class StripBoilerplate:
    """Takes boilerplate lines out. Rule `boilerplate` (lines). A row of nothing else becomes empty."""

    boilerplate: Boilerplate
    name: str = "StripBoilerplate"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch without boilerplate lines."""
        if not self.boilerplate.lines or shape_of(batch.schema) is not Shape.TEXT:
            return batch
        counts = np.zeros(batch.num_rows, np.int64)
        texts = []
        for row, (forms, text) in enumerate(_with_forms(batch, self.boilerplate)):
            new, counts[row] = _split(text, forms) if forms else (text, 0)
            texts.append(new)
        if not counts.any():
            return batch
        return note_changed(set_column(batch, TEXT, pa.array(texts, pa.large_string())), "boilerplate", counts)


def _with_forms(batch: pa.Table, boilerplate: Boilerplate) -> Iterator[tuple[frozenset[str], str]]:
    metas = batch.column(META).to_pylist() if META in batch.schema.names else [""] * batch.num_rows
    for source, meta, text in zip(batch.column(SOURCE).to_pylist(), metas, batch.column(TEXT).to_pylist(), strict=True):
        yield boilerplate.of(source or "", meta or ""), text or ""
