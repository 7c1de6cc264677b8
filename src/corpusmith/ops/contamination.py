"""Decontamination: which rows hold an item of an evaluation set, also edited, re-cased, reflowed or inside other text.

Two stages. Seeds: n-grams (5 words; fewer for short items) that row and item share, at least a fifth of the item's
within a stretch of the row about as long as the item; any single edited word leaves that many. Then the item's words
are aligned with that stretch in order (heaviest common subsequence), weighted by how telling each word is among the
evaluation items. The score is the share of the item's weight found, so a sentence that many items share counts for
nothing and a common phrase of the language never adds up to an item.

Related: GPT-3's 13-grams (one edited word per 13 escapes), Tülu 3's 8-gram coverage over 50 % and decon's IDF-weighted
5-grams >= 0.8, which both lose short items to a single edit; measured against them in docs/measured/dedup.md.
Decisions are row by row: the rest of the data has no say, so a sample is judged as the whole is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import ROW_ID, TEXT, set_column, shape_of
from corpusmith.core.tools import Cancel, Dataset, Engine
from corpusmith.ops.eval_index import MIN_WORDS, EvalIndex, build_index, item_parts, row_words
from corpusmith.ops.kernels.match import match_rows, sequence_hashes
from corpusmith.ops.kernels.words import I64, U64, fold_table, utf8_buffers

ITEM, SCORE = "_item", "_score"


@dataclass(frozen=True)
class Contamination:
    """What was found, one entry a row, in row order.

    Attributes:
        item: Index into `eval_row_ids` of the item the row holds; -1 = none.
        score: Share of the item's weight found in the row, in [threshold, 1]; 0 where there is none.
        row_ids: Row ids of the data.
        eval_row_ids: Row ids of all evaluation sets' rows, one set after the other.
        unchecked: Items with nothing to look for: no prompt, and an answer of under 8 words.
    """

    item: I64
    score: npt.NDArray[np.float64]
    row_ids: pa.ChunkedArray
    eval_row_ids: list[str]
    unchecked: int


@dataclass(frozen=True)
class ContaminationScan:
    """Row operator. Reads `text` and the columns of the shape; drops nothing.

    Columns added:
        _item (int64): index of the item the row holds, -1 = none.
        _score (float64): share of the item's weight found.

    Attributes:
        index: The evaluation sets.
        threshold: Least score, in (0, 1].
    """

    index: EvalIndex
    threshold: float
    name: str = "contamination"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with the columns added."""
        index, rows = self.index, batch.num_rows
        whole, parts, scores = np.zeros(rows, np.uint64), np.full(rows, -1, np.int64), np.zeros(rows)
        data, offsets = utf8_buffers(batch.column(TEXT))
        match_rows(
            data, offsets, fold_table(), index.words, index.starts, index.weights, index.totals, index.lengths,
            index.seeds, np.unique(index.lengths), index.slots, index.where, index.post_starts, index.posts,
            (self.threshold, MIN_WORDS), whole, parts, scores,
        )  # fmt: skip
        found = parts >= 0
        items = np.full(rows, -1, np.int64)
        items[found] = index.items[parts[found]]
        if index.short.size:
            self._short(whole, items, scores)
            prompt = item_parts(batch, shape_of(batch.schema))[0]
            words, starts = row_words(prompt)
            sequence_hashes(words, starts, whole)
            self._short(whole, items, scores)
        return set_column(set_column(batch, ITEM, pa.array(items)), SCORE, pa.array(scores))

    def _short(self, whole: U64, items: I64, scores: npt.NDArray[np.float64]) -> None:
        """Find prompts of few words, which count only as a row's whole text or whole prompt."""
        at = np.minimum(np.searchsorted(self.index.short, whole), self.index.short.size - 1)
        hit = (self.index.short[at] == whole) & (items < 0)
        items[hit], scores[hit] = self.index.short_items[at[hit]], 1.0


def find_contamination(
    data: Dataset,
    evals: Sequence[Dataset],
    engine: Engine,
    *,
    ngram: int = 5,
    threshold: float = 0.8,
    cancel: Cancel | None = None,
) -> Contamination:
    """Find the rows that hold an item of an evaluation set.

    Args:
        data: Rows with `text`.
        evals: Evaluation sets, of any shape; they fit in memory.
        engine: Runs the scan.
        ngram: Words per seed n-gram, 2 to 13; larger is faster and misses edited short items.
        threshold: Least share of an item's weight, in (0, 1].
        cancel: Asked between parts.

    Raises:
        ParameterError: A parameter out of range, or no evaluation set.
    """
    if not 2 <= ngram <= 13 or not 0 < threshold <= 1:
        raise ParameterError(f"ngram {ngram} or threshold {threshold} is out of range", hint="2..13 and (0, 1].")
    if not evals:
        raise ParameterError("there is no evaluation set to look for", hint="Name at least one.")
    index, eval_row_ids, unchecked = build_index(evals, ngram)
    items, scores, row_ids = [np.zeros(0, np.int64)], [np.zeros(0)], []
    for table in engine.stream(data, [ContaminationScan(index, threshold)], [ROW_ID, ITEM, SCORE]):
        if cancel is not None:
            cancel.check()
        items.append(np.asarray(table.column(ITEM)))
        scores.append(np.asarray(table.column(SCORE)))
        row_ids.extend(table.column(ROW_ID).chunks)
    ids = pa.chunked_array(row_ids, pa.large_string())
    return Contamination(np.concatenate(items), np.concatenate(scores), ids, eval_row_ids, unchecked)
