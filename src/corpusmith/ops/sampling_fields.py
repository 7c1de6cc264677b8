"""What a draw needs to know of a row, as small columns: a seeded hash, its category, its number, its tokens.

The hash depends on the seed and the row id alone, so where a row stands, how data is cut into parts and which other
rows exist cannot change it; every draw in `ops` is an order over such hashes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from corpusmith.core.fingerprints import canonical
from corpusmith.core.rows import ROW_ID, TEXT, meta_values, set_column
from corpusmith.ops.windows import count_tokens

KEY, CATEGORY, NUMBER, TOKENS = "_key", "_category", "_number", "_tokens"
MISSING = "(none)"
"""The category of rows that have no value at the field."""

_NUMBER = re.compile(r"[$€£¥]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*[$€£¥]?")


def row_keys(row_ids: pa.ChunkedArray | pa.Array, seed: int, salt: str) -> npt.NDArray[np.uint64]:
    """One 64-bit hash (xxh3) per row id; equal for equal (seed, salt, id) anywhere and at any time."""
    head = f"{seed}:{salt}:"
    hashed = (xxhash.xxh3_64_intdigest(f"{head}{value}".encode()) for value in row_ids.to_pylist())
    return np.fromiter(hashed, np.uint64, count=len(row_ids))


def uniform(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Keys as numbers in the open interval (0, 1), from their upper 52 bits."""
    out: npt.NDArray[np.float64] = ((keys >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return out


def as_number(value: Any) -> float:
    """A number, or a text that is one ("$1,299.00" = 1299.0); NaN for anything else, infinities too."""
    if isinstance(value, bool) or value is None:
        return math.nan
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return math.nan
        return number if math.isfinite(number) else math.nan
    if isinstance(value, str) and len(value) <= 64:
        found = _NUMBER.fullmatch(value.strip())
        if found and any(char.isdecimal() for char in found[1]):
            try:
                number = float(found[1].replace(",", ""))
            except ValueError:
                return math.nan
            return number if math.isfinite(number) else math.nan
    return math.nan


def as_category(value: Any) -> str:
    """The category a value stands for: its text, `MISSING` for null, canonical JSON for lists and mappings."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return MISSING
    return canonical(value)


@dataclass(frozen=True)
class SampleFields:
    """Row operator that adds `_key` (uint64) and, where asked for, `_category`, `_number` and `_tokens`.

    Attributes:
        seed: Seed of the draw.
        salt: Name of the draw, so that two draws of one run are independent.
        category: Dotted path of the category; None = no column.
        number: Dotted path of the number; NaN where there is none.
        tokens: Whether to count the tokens of `text`.
    """

    seed: int
    salt: str
    category: str | None = None
    number: str | None = None
    tokens: bool = False
    name: str = "sample_fields"

    @property
    def columns(self) -> list[str]:
        """Names of the columns it adds."""
        wanted = [(KEY, True), (CATEGORY, self.category), (NUMBER, self.number), (TOKENS, self.tokens)]
        return [name for name, asked in wanted if asked]

    def apply(self, batch: pa.Table) -> pa.Table:
        """Add the columns to a batch."""
        batch = set_column(batch, KEY, pa.array(row_keys(batch.column(ROW_ID), self.seed, self.salt)))
        if self.category:
            names = [as_category(value) for value in meta_values(batch, self.category)]
            batch = set_column(batch, CATEGORY, pa.array(names, pa.large_string()))
        if self.number:
            numbers = [as_number(value) for value in meta_values(batch, self.number)]
            batch = set_column(batch, NUMBER, pa.array(numbers, pa.float64()))
        if self.tokens:
            counts = [count_tokens(text or "") for text in batch.column(TEXT).to_pylist()]
            batch = set_column(batch, TOKENS, pa.array(counts, pa.int64()))
        return batch
