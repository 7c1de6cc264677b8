"""Grounding: how much of an answer stands in the documents it is said to come from.

A rule, no model. An answer is a set of words and a set of pairs of neighbouring words, each weighted by
log((B + 1) / number of the documents' B blocks that have it); what no document has weighs most. Documents are cut into
blocks of about 128 words, and a window is two neighbouring blocks. An answer's score is the mean of its share of word
weight and its share of pair weight found in its best window; one of more than 128 words is cut into pieces, each with a
window of its own, and has the mean of theirs. The row's own `input` counts as one more window. So words must be found
close together: a vocabulary that is only spread over the documents supports nothing.

Threshold and figures: docs/measured/instruction_sets.md. What the rule cannot see is an answer that says the same in
other words, and a denial (`is not`) of what the document says. Words are those of `ops.kernels.words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import ROW_ID, TEXT, Shape, set_column
from corpusmith.core.tools import Cancel, Dataset, Engine
from corpusmith.ops.eval_index import row_words
from corpusmith.ops.kernels.ground import OWN_CONTEXT, ground_rows, pair_hashes
from corpusmith.ops.kernels.words import I32, I64, U64

GROUNDED, DOCUMENT = "_grounded", "_document"
THRESHOLD = 0.4
"""Least score of an answer that counts as grounded (measured: docs/measured/instruction_sets.md)."""
PIECE = 128
"""Most words of a block of a document, and of a piece of an answer."""
MIN_WORDS = 5
"""Answers of fewer words (a label, a number) are not judged: their words stand anywhere."""
_COMMON, _LOOKED = 4096, 16
_COLUMNS = {Shape.INSTRUCTION: ("output", "input"), Shape.PREFERENCE: ("chosen", None), Shape.TEXT: (TEXT, None)}
"""Per shape, the column of the answer and that of the row's own context."""


@dataclass(frozen=True)
class GroundIndex:
    """Documents to look answers up in; arrays only, so that it travels to workers.

    Attributes:
        features: Distinct hashes of words and of pairs of words, ascending.
        weights: Weight of each, and last that of a word that no document has.
        post_starts: Features + 1 offsets into `posts`.
        posts: Blocks that have the feature, ascending.
        documents: Per block, its document: an index into the concatenated rows of the document sets.
    """

    features: U64
    weights: npt.NDArray[np.float64]
    post_starts: I64
    posts: I32
    documents: I32


@dataclass(frozen=True)
class Grounding:
    """What was found, one entry a row, in row order.

    Attributes:
        score: Share of the answer found, 0–1; NaN = too short to be judged.
        document: Index into `document_ids` of the nearest document; -1 = none, -2 = the row's own input.
        row_ids: Row ids of the data.
        document_ids: Row ids of all documents, one set after the other.
        threshold: Least score of a grounded answer.
    """

    score: npt.NDArray[np.float64]
    document: I64
    row_ids: pa.ChunkedArray
    document_ids: list[str]
    threshold: float

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Whether an answer was long enough to be judged."""
        return ~np.isnan(self.score)

    @property
    def ungrounded(self) -> npt.NDArray[np.bool_]:
        """Whether an answer was judged and found to lack support."""
        return np.nan_to_num(self.score, nan=1.0) < self.threshold

    @property
    def nearest(self) -> list[str | None]:
        """Per row, the row id of the nearest document; None where there is none or it is the row's own input."""
        return [self.document_ids[at] if at >= 0 else None for at in self.document.tolist()]


@dataclass(frozen=True)
class GroundingScan:
    """Row operator. Reads the answer and the own context of the shape; drops nothing.

    Columns added:
        _grounded (float64): share of the answer found; NaN = too short.
        _document (int64): index of the nearest document, -1 = none, -2 = the row's own input.
    """

    index: GroundIndex
    shape: Shape
    name: str = "grounding"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns added."""
        index, rows = self.index, batch.num_rows
        answer, context = _COLUMNS[self.shape]
        words, starts = row_words(batch.column(answer))
        given, given_starts = np.zeros(0, np.uint64), np.zeros(rows + 1, np.int64)
        if context is not None:
            given, given_starts = row_words(batch.column(context))
        scores, found = np.zeros(rows), np.zeros(rows, np.int64)
        ground_rows(
            words, starts, given, given_starts, index.features, index.weights, index.post_starts, index.posts,
            index.documents, (MIN_WORDS, PIECE, _COMMON, _LOOKED), scores, found,
        )  # fmt: skip
        return set_column(set_column(batch, GROUNDED, pa.array(scores)), DOCUMENT, pa.array(found))


def find_grounding(
    data: Dataset,
    documents: Sequence[Dataset],
    engine: Engine,
    *,
    threshold: float = THRESHOLD,
    cancel: Cancel | None = None,
) -> Grounding:
    """Look every answer up in the documents.

    Args:
        data: Rows; of instruction rows the output is judged, of preference rows the chosen answer.
        documents: Sets of documents, by their `text`; they fit in memory, with about 180 bytes a word.
        engine: Runs the scan.
        threshold: Least score of a grounded answer, in (0, 1].
        cancel: Asked between parts.

    Raises:
        ParameterError: The threshold is out of range, or there is no document with text.
    """
    if not 0 < threshold <= 1:
        raise ParameterError(f"grounding: threshold {threshold} is out of range", hint="Between 0 and 1.")
    index, document_ids = build_ground_index(documents)
    if not index.documents.size:
        raise ParameterError("grounding: the documents hold no words", hint="Name the files the answers come from.")
    scores, found, row_ids = [np.zeros(0)], [np.zeros(0, np.int64)], []
    for table in engine.stream(data, [GroundingScan(index, data.shape)], [ROW_ID, GROUNDED, DOCUMENT]):
        if cancel is not None:
            cancel.check()
        scores.append(np.asarray(table.column(GROUNDED)))
        found.append(np.asarray(table.column(DOCUMENT)))
        row_ids.extend(table.column(ROW_ID).chunks)
    ids = pa.chunked_array(row_ids, pa.large_string())
    return Grounding(np.concatenate(scores), np.concatenate(found), ids, document_ids, threshold)


def build_ground_index(documents: Sequence[Dataset]) -> tuple[GroundIndex, list[str]]:
    """Read documents into an index; also the row ids of all documents."""
    features, blocks = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
    owners, row_ids = list[int](), list[str]()
    for dataset in documents:
        for table in dataset.batches([ROW_ID, TEXT]):
            words, starts = row_words(table.column(TEXT))
            for row in range(table.num_rows):
                own = words[starts[row] : starts[row + 1]]
                for mine in np.array_split(own, -(-own.size // PIECE)) if own.size else []:
                    found = _features(mine)
                    features.append(found)
                    blocks.append(np.full(found.size, len(owners), np.int32))
                    owners.append(len(row_ids) + row)
            row_ids += table.column(ROW_ID).to_pylist()
    return _index(np.concatenate(features), np.concatenate(blocks), np.array(owners, np.int32)), row_ids


def _features(words: U64) -> U64:
    """The distinct words and pairs of a block."""
    pairs = np.empty(max(0, words.size - 1), np.uint64)
    pair_hashes(words, pairs)
    return np.unique(np.concatenate((words, pairs)))


def _index(features: U64, blocks: I32, owners: I32) -> GroundIndex:
    order = np.argsort(features, kind="stable")  # blocks come in ascending order, and stay so
    names, starts, having = np.unique(features[order], return_index=True, return_counts=True)
    weights = np.log((owners.size + 1) / np.concatenate((having, [1])))
    ends = np.concatenate((starts, [features.size])).astype(np.int64)
    return GroundIndex(names, weights, ends, blocks[order], owners)


__all__ = ["OWN_CONTEXT", "THRESHOLD", "GroundIndex", "Grounding", "GroundingScan", "build_ground_index",
           "find_grounding"]  # fmt: skip
