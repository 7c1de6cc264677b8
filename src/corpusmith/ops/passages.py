"""Documents as an evaluation set of short passages, so that a row which holds only a part of one is found as well.

Decontamination looks for items whole and in order: a row that quotes half of a document would pass, and so would one
that has its paragraphs in another order. So each paragraph is a passage of its own, and a long one several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash

from corpusmith.core.errors import NotFoundError
from corpusmith.core.ids import derived_row_id
from corpusmith.core.rows import ROW_ID, TEXT, Shape
from corpusmith.ops.eval_index import MIN_WORDS

PASSAGE_WORDS = 50
"""Words of a passage, about, where a paragraph is longer."""


@dataclass(frozen=True)
class Passages:
    """Passages of documents. Implements `core.tools.Dataset`."""

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    shape: Shape = Shape.TEXT

    @classmethod
    def of(cls, row_ids: Sequence[str], texts: Sequence[str]) -> Passages:
        """Cut every document; a passage's id is its document's with `~passage.<n>`."""
        ids, pieces = list[str](), list[str]()
        for row_id, text in zip(row_ids, texts, strict=True):
            for ordinal, passage in enumerate(_passages(text)):
                ids.append(derived_row_id(row_id, "passage", ordinal))
                pieces.append(passage)
        return cls(tuple(ids), tuple(pieces))

    @property
    def id(self) -> str:
        """A name that its content gives it."""
        return xxhash.xxh3_128_hexdigest("\0".join(self.texts).encode())

    @property
    def rows(self) -> int:
        """Number of passages."""
        return len(self.texts)

    @property
    def schema(self) -> pa.Schema:
        """Row id and text."""
        return pa.schema([(ROW_ID, pa.large_string()), (TEXT, pa.large_string())])

    @property
    def size_bytes(self) -> int:
        """UTF-8 bytes of the text."""
        return sum(len(text.encode()) for text in self.texts)

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
        """The passages in order, as tables of at most `rows` rows."""
        whole = self.table(columns)
        yield from (whole.slice(start, rows) for start in range(0, self.rows, rows))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All passages."""
        whole = pa.table([list(self.row_ids), list(self.texts)], schema=self.schema)
        return whole if columns is None else whole.select(list(columns))

    def file(self, name: str) -> Path:
        """None.

        Raises:
            NotFoundError: Always: it is no artifact.
        """
        raise NotFoundError(f"passages have no file {name!r}")


def _passages(text: str) -> list[str]:
    """Paragraphs (lines), joined while they have too few words to be looked for, cut where they are long."""
    pieces, held = list[str](), list[str]()
    for line in text.splitlines():
        held += line.split()
        if len(held) >= MIN_WORDS:
            pieces += _cut(held)
            held = []
    return [*pieces, " ".join(held)] if held else pieces


def _cut(words: list[str]) -> list[str]:
    count = max(1, round(len(words) / PASSAGE_WORDS))
    return [" ".join(piece) for piece in np.array_split(np.array(words, object), count)]
