"""Row operators that repair text: encodings, control characters, white space, punctuation, case, stop words.

Each rewrites every text column of the row's shape, renders `text` again and notes under its rule how many places of a
row it changed. `DetectDamage` counts what `RepairUnicode` and `StripHtml` would undo, with the same code, so that
after the repair it counts nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import TEXT_COLUMNS, mark, set_column, shape_of
from corpusmith.ops import damage
from corpusmith.ops.faults import ENCODING, HTML, rows_with
from corpusmith.ops.kernels.faults import CONTROL
from corpusmith.ops.markup import find_remains
from corpusmith.ops.memo import remembered
from corpusmith.ops.rewriting import rewrite
from corpusmith.ops.spacing import even_punctuation, even_spaces
from corpusmith.ops.stopwords import check_languages, without_stopwords


@dataclass(frozen=True)
class RepairUnicode:
    """Undoes mojibake, lost characters, control and invisible characters, and brings the text to NFC.

    Rules noted: `unicode.mojibake` (lines), `unicode.controls`, `unicode.replacement`, `unicode.invisible`
    (characters), `unicode.nfc` (1 a column). Curly quotes stay as they are.
    """

    name: str = "RepairUnicode"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with its text repaired."""
        return rewrite(
            batch,
            (
                ("unicode.mojibake", damage.repair_mojibake),
                ("unicode.controls", damage.strip_controls),
                ("unicode.replacement", damage.repair_replacements),
                ("unicode.invisible", damage.drop_invisible),
                ("unicode.nfc", damage.to_nfc),
            ),
            partial(rows_with, bits=ENCODING),
        )


@dataclass(frozen=True)
class StripControls:
    """Takes out control characters, terminal escapes and overstrikes; tabs and line ends stay. Rule `controls`."""

    name: str = "StripControls"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch without control characters."""
        return rewrite(batch, (("controls", damage.strip_controls),), partial(rows_with, bits=CONTROL))


@dataclass(frozen=True)
class NormalizeSpace:
    """Evens out white space and keeps paragraphs, indentation, code and tables. Rule `whitespace`."""

    name: str = "NormalizeSpace"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with even white space."""
        return rewrite(batch, (("whitespace", even_spaces),))


@dataclass(frozen=True)
class NormalizePunctuation:
    """Cuts repeated punctuation down to one mark (dots to three). Rule `punctuation`."""

    name: str = "NormalizePunctuation"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with repeated marks cut down."""
        return rewrite(batch, (("punctuation", even_punctuation),))


@dataclass(frozen=True)
class Lowercase:
    """Lowers the case of every letter; placeholders such as `[EMAIL]` keep theirs. Rule `lowercase`."""

    name: str = "Lowercase"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch in lower case."""
        return rewrite(batch, (("lowercase", _lower),))


_PLACEHOLDER = re.compile(r"(\[[A-Z][A-Z_]+\])")


def _lower(text: str) -> tuple[str, int]:
    pieces = _PLACEHOLDER.split(text)
    pieces[::2] = [piece.lower() for piece in pieces[::2]]
    new = "".join(pieces)
    return new, int(new != text)


@dataclass(frozen=True)
class RemoveStopwords:
    """Takes out stop words of the languages given (ISO 639-1). Rule `stopwords`.

    Raises:
        ParameterError: There is no list for a language, or no language is given.
    """

    languages: tuple[str, ...]
    name: str = "RemoveStopwords"

    def __post_init__(self) -> None:
        check_languages(self.languages)

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch without stop words."""
        return rewrite(batch, (("stopwords", lambda text: without_stopwords(text, self.languages)),))


def _damage_of(text: str) -> tuple[int, int]:
    return (damage.damage(text), len(find_remains(text))) if text else (0, 0)


@dataclass(frozen=True)
class DetectDamage:
    """Adds int64 `encoding_damage` (places with mojibake, U+FFFD, control characters) and `html_remains` (tags and
    entities), each the sum over the text columns of the row's shape.
    """

    name: str = "DetectDamage"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the two count columns added."""
        encoding = np.zeros(batch.num_rows, np.int64)
        remains = np.zeros(batch.num_rows, np.int64)
        for column in TEXT_COLUMNS[shape_of(batch.schema)]:
            rows = rows_with(batch.column(column), ENCODING | HTML)
            texts = batch.column(column).take(pa.array(rows)).to_pylist()
            for row, (places, tags) in zip(rows, remembered("damage", texts, _damage_of), strict=True):
                encoding[row] += places
                remains[row] += tags
        batch = set_column(batch, "encoding_damage", pa.array(encoding))
        return set_column(batch, "html_remains", pa.array(remains))


@dataclass(frozen=True)
class DamageFilter:
    """Drops rows that still hold encoding damage; meant to stand after `RepairUnicode`. Rule `encoding_damage`."""

    name: str = "DamageFilter"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with rows past repair marked."""
        columns = [batch.column(name).to_pylist() for name in TEXT_COLUMNS[shape_of(batch.schema)]]
        counts = np.array(
            [sum(damage.damage(text) for text in row if text) for row in zip(*columns, strict=True)], float
        )
        return mark(batch, counts > 0, "encoding_damage", counts, 0.0)
