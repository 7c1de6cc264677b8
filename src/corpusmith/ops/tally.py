"""What the profile adds up while rows stream by: counts per metric, lengths, and counts for the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.brief import LengthRange
from corpusmith.core.rows import SOURCE
from corpusmith.ops import measures as ms
from corpusmith.ops.language import LANG, LANG_ASKED
from corpusmith.ops.signals import PREFIX
from corpusmith.ops.truncated import LIKELY

FAMILIES = {
    "gopher_quality": "gopher_quality_fail_rate",
    "gopher_repetition": "gopher_repetition_fail_rate",
    "c4_quality": "c4_fail_rate",
    "fineweb_quality": "fineweb_fail_rate",
}
"""Families of published rules and the metric that counts rows that break one."""
PII_PREFIX = "pii:"


@dataclass
class Tally:
    """Sums over rows.

    Attributes:
        lengths: Bounds asked for.
        rows: Rows added.
        hits: Rows per metric name.
        out_of: Rows a metric was measured on, where not all.
        sizes: Lengths per row by unit (chars, words, tokens), one array a table.
        found: Rows per language.
        rules: Rows per broken rule.
        pii: Rows per kind of personal data.
        sources: Rows per source.
    """

    lengths: tuple[LengthRange, ...] = ()
    rows: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    out_of: Counter[str] = field(default_factory=Counter)
    sizes: dict[str, list[npt.NDArray[np.int64]]] = field(
        default_factory=lambda: {"chars": [], "words": [], "tokens": []}
    )
    found: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    pii: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    _instructions: set[int] = field(default_factory=set)

    def add(self, table: pa.Table) -> None:
        """Add the rows of a table with signals, `ops.measures` and whatever counts were asked for."""
        names = set(table.schema.names)
        self.rows += table.num_rows
        self._count(self.sources, table.column(SOURCE))
        self._add_lengths(table)
        self._add_languages(table)
        self._add_rules(table.column(ms.BROKEN))
        self.hits["truncated_rate"] += int((np.asarray(table.column(ms.TRUNCATION)) >= LIKELY).sum())
        for column, metric in (
            ("encoding_damage", "encoding_damage_rate"),
            ("html_remains", "html_rate"),
            ("boilerplate_lines", "boilerplate_rate"),
        ):
            if column in names:
                self.hits[metric] += int((np.asarray(table.column(column)) > 0).sum())
        self._add_pii(table)
        if ms.INSTRUCTION_HASH in names:
            self._add_instructions(table.column(ms.INSTRUCTION_HASH).to_pylist())
            self.hits["empty_response_rate"] += int(pc.sum(table.column(ms.EMPTY_RESPONSE)).as_py() or 0)
        if ms.IDENTICAL_PAIR in names:
            self.hits["identical_pair_rate"] += int(pc.sum(table.column(ms.IDENTICAL_PAIR)).as_py() or 0)

    def length(self, unit: str) -> npt.NDArray[np.int64]:
        """The length of every row in `unit`."""
        return np.concatenate([np.zeros(0, np.int64), *self.sizes[unit]])

    @staticmethod
    def _count(counter: Counter[str], column: pa.ChunkedArray) -> None:
        for entry in pc.value_counts(pc.fill_null(column, "")).to_pylist():
            counter[entry["values"]] += entry["counts"]

    def _add_lengths(self, table: pa.Table) -> None:
        sizes = {unit: np.asarray(table.column(f"{PREFIX}n_{unit}")) for unit in self.sizes}
        for unit, values in sizes.items():
            self.sizes[unit].append(values)
        self.hits["empty_rate"] += int((np.asarray(table.column(PREFIX + "n_lines")) == 0).sum())
        for metric, side in (("short_rate", "low"), ("long_rate", "high")):
            bounds = [(bound.unit, getattr(bound, side)) for bound in self.lengths if getattr(bound, side) is not None]
            if bounds:
                outside = np.zeros(table.num_rows, bool)
                for unit, limit in bounds:
                    outside |= sizes[unit] < limit if side == "low" else sizes[unit] > limit
                self.hits[metric] += int(outside.sum())

    def _add_languages(self, table: pa.Table) -> None:
        self._count(self.found, table.column(LANG))
        if LANG_ASKED in table.schema.names:
            asked = table.column(LANG_ASKED)
            self.hits["language_rate"] += int(pc.sum(asked).as_py() or 0)
            self.out_of["language_rate"] += len(asked) - asked.null_count

    def _add_rules(self, column: pa.ChunkedArray) -> None:
        combinations: Counter[str] = Counter()
        self._count(combinations, column)
        for joined, rows in combinations.items():
            rules = joined.split(",") if joined else []
            for rule in rules:
                self.rules[rule] += rows
            families = {rule.split(".", 1)[0] for rule in rules}
            for family, metric in FAMILIES.items():
                self.hits[metric] += rows if family in families else 0

    def _add_pii(self, table: pa.Table) -> None:
        any_kind = np.zeros(table.num_rows, bool)
        kinds = [name for name in table.schema.names if name.startswith(PII_PREFIX)]
        for name in kinds:
            here = np.asarray(table.column(name)) > 0
            self.pii[name.removeprefix(PII_PREFIX)] += int(here.sum())
            any_kind |= here
        if kinds:
            self.hits["pii_rate"] += int(any_kind.sum())

    def _add_instructions(self, hashes: list[Any]) -> None:
        for value in hashes:
            if value in self._instructions:
                self.hits["repeated_instruction_rate"] += 1
            self._instructions.add(value)
        self.hits["repeated_instruction_rate"] += 0
