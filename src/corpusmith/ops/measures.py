"""What the profile needs of each row beside its signals: broken quality rules, cut-off, hashes, the shape's defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from corpusmith.core.rows import TEXT, Shape, shape_of
from corpusmith.ops.language import Language
from corpusmith.ops.quality import C4Quality, FineWebQuality, GopherQuality, GopherRepetition
from corpusmith.ops.signals import Signals
from corpusmith.ops.splitting import GivenSplit
from corpusmith.ops.truncated import truncation

BROKEN, TRUNCATION, TEXT_HASH = "_broken_rules", "_truncation", "_text_hash"
INSTRUCTION_HASH, EMPTY_RESPONSE, IDENTICAL_PAIR = "_instruction_hash", "_empty_response", "_identical_pair"


def _signed_hashes(texts: Sequence[str | None]) -> pa.Array:
    """xxh3-64 of each text, as int64."""
    hashes = np.array([xxhash.xxh3_64_intdigest((text or "").encode()) for text in texts], np.uint64)
    return pa.array(hashes.view(np.int64))


@dataclass(frozen=True)
class Measures:
    """Row operator: signals and language (where they are missing), and these mark columns.

    Columns added:
        _broken_rules (large_string): every published quality rule that the row breaks, joined by commas; "" = none.
        _truncation (float64): how surely the text was cut off, 0–1.
        _text_hash (int64): xxh3-64 of the text as it is.
        _given_split (large_string), _split_named (bool): the split a row came with (`ops.splitting`).
        _instruction_hash (int64), _empty_response (bool): rows of the instruction shape.
        _identical_pair (bool): rows of the preference shape.
    """

    name: str = "measures"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns added."""
        batch = Language().apply(Signals().apply(batch))
        batch = batch.append_column(BROKEN, _broken_rules(batch))
        batch = batch.append_column(TRUNCATION, pa.array(truncation(batch)))
        batch = batch.append_column(TEXT_HASH, _signed_hashes(batch.column(TEXT).to_pylist()))
        return _shape_measures(GivenSplit().apply(batch))


def shape_columns(shape: Shape) -> tuple[str, ...]:
    """The columns that `Measures` adds for `shape` alone."""
    return {
        Shape.INSTRUCTION: (INSTRUCTION_HASH, EMPTY_RESPONSE),
        Shape.PREFERENCE: (IDENTICAL_PAIR,),
        Shape.TEXT: (),
    }[shape]


def _broken_rules(batch: pa.Table) -> pa.Array:
    names: list[list[str]] = [[] for _ in range(batch.num_rows)]
    for family in (GopherQuality(), GopherRepetition(), C4Quality(), FineWebQuality()):
        for rule in family.broken(batch):
            for row in np.flatnonzero(rule.rows):
                names[row].append(rule.rule)
    return pa.array([",".join(rules) for rules in names], pa.large_string())


def _shape_measures(batch: pa.Table) -> pa.Table:
    shape = shape_of(batch.schema)
    if shape is Shape.INSTRUCTION:
        asked = zip(batch.column("instruction").to_pylist(), batch.column("input").to_pylist(), strict=True)
        keys = [f"{(ask or '').strip()}\x00{(given or '').strip()}" for ask, given in asked]
        empty = [not (answer or "").strip() for answer in batch.column("output").to_pylist()]
        batch = batch.append_column(INSTRUCTION_HASH, _signed_hashes(keys))
        return batch.append_column(EMPTY_RESPONSE, pa.array(empty, pa.bool_()))
    if shape is Shape.PREFERENCE:
        pairs = zip(batch.column("chosen").to_pylist(), batch.column("rejected").to_pylist(), strict=True)
        same = [(chosen or "").strip() == (rejected or "").strip() for chosen, rejected in pairs]
        return batch.append_column(IDENTICAL_PAIR, pa.array(same, pa.bool_()))
    return batch
