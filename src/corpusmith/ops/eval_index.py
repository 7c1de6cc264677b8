"""Evaluation sets as an index to look rows up in: the words of every item, how telling each is, and short n-grams.

An item has *parts* that are looked for one by one: of an instruction row the prompt (instruction and input) and the
answer; of a preference row the prompt and the chosen answer; of a text row the text. Parts of more than `CHUNK` words
are cut. Equal parts are kept once, for the first item that has them.

A word's weight is log((P + 1) / number of the P parts that have it): wording that all items of a set share (a
template, "how many ... in total") weighs almost nothing, names and numbers weigh most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpusmith.core.rows import ROW_ID, TEXT, Shape
from corpusmith.core.tools import Dataset
from corpusmith.ops.kernels.match import fill_slots, gram_hashes, sequence_hashes
from corpusmith.ops.kernels.words import I32, I64, U64, fold_table, utf8_buffers, words_of_rows

CHUNK = 256
"""Most words of one part."""
MIN_WORDS = 8
"""Parts of fewer words are found only where they are a row's whole text or whole prompt."""
_SEED_SHARE = 0.2
_COMMON = 64

PART_COLUMNS: dict[Shape, tuple[tuple[str, ...], ...]] = {
    Shape.TEXT: ((TEXT,),),
    Shape.INSTRUCTION: (("instruction", "input"), ("output",)),
    Shape.PREFERENCE: (("prompt",), ("chosen",)),
}
"""Per shape, the columns that make each part; the first is the prompt."""


@dataclass(frozen=True)
class EvalIndex:
    """What `kernels.match.match_rows` looks rows up in; arrays only, so that it travels to workers.

    Attributes:
        words: Word hashes of all parts, part after part.
        starts: Parts + 1 offsets into `words`.
        weights: Weight of each word of `words`.
        items: Per part, its item: an index into the concatenated rows of the evaluation sets.
        lengths: Per part, the n of its n-grams.
        seeds: Per part, how many of its n-grams must lie close together in a row.
        slots: Open-addressed table of n-gram hashes, 0 = free.
        where: Per slot, the index of its n-gram.
        post_starts: N-grams + 1 offsets into `posts`.
        posts: Parts that have the n-gram.
        short: Ascending hashes of the word sequences of short prompts.
        short_items: Their items.
    """

    words: U64
    starts: I64
    weights: npt.NDArray[np.float64]
    items: I64
    lengths: I64
    seeds: I64
    slots: U64
    where: I32
    post_starts: I64
    posts: I32
    short: U64
    short_items: I64

    @property
    def totals(self) -> npt.NDArray[np.float64]:
        """Sum of the weights of each part."""
        return np.add.reduceat(self.weights, self.starts[:-1]) if self.items.size else np.zeros(0)


def item_parts(table: pa.Table, shape: Shape) -> list[pa.Array]:
    """The parts of each row, prompt first, as columns of strings; a part of several columns is their lines."""
    parts = []
    for names in PART_COLUMNS[shape]:
        columns = [table.column(name).to_pylist() for name in names]
        joined = ["\n".join(text for text in texts if text) for texts in zip(*columns, strict=True)]
        parts.append(pa.array(joined, pa.large_string()))
    return parts


def part_columns(shape: Shape) -> list[str]:
    """Names of the columns `item_parts` reads."""
    return [name for names in PART_COLUMNS[shape] for name in names]


@dataclass
class _Parts:
    words: list[U64] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    short: dict[int, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    checked: set[int] = field(default_factory=set)


def build_index(evals: Sequence[Dataset], ngram: int) -> tuple[EvalIndex, list[str], int]:
    """Read evaluation sets into an index.

    Args:
        evals: Evaluation sets; they are read whole.
        ngram: Words per n-gram, for parts long enough that one edited word leaves one whole.

    Returns:
        The index, the row ids of all items, and how many items have nothing that can be looked for.
    """
    parts, row_ids = _Parts(), list[str]()
    for dataset in evals:
        shape = dataset.shape
        for table in dataset.batches([ROW_ID, *part_columns(shape)]):
            for ordinal, column in enumerate(item_parts(table, shape)):
                _collect(parts, column, len(row_ids), is_prompt=ordinal == 0)
            row_ids += table.column(ROW_ID).to_pylist()
    return _index(parts, ngram), row_ids, len(row_ids) - len(parts.checked)


def row_words(column: pa.Array | pa.ChunkedArray) -> tuple[U64, I64]:
    """Word hashes of all rows of a column of strings, and the n + 1 offsets of the rows in them."""
    data, offsets = utf8_buffers(column)
    ends = np.zeros(offsets.size - 1, np.int64)
    words = np.empty(int(offsets[-1] - offsets[0]) // 2 + offsets.size, np.uint64)
    words_of_rows(data, offsets, fold_table(), words, ends)
    starts = np.concatenate((np.zeros(1, np.int64), ends))
    return words[: starts[-1]], starts


def _collect(parts: _Parts, column: pa.Array, first_item: int, is_prompt: bool) -> None:
    words, starts = row_words(column)
    hashes = np.empty(starts.size - 1, np.uint64)
    sequence_hashes(words, starts, hashes)
    for row, name in enumerate(hashes.tolist()):
        own = words[starts[row] : starts[row + 1]]
        if not own.size or (own.size < MIN_WORDS and not is_prompt):
            continue
        parts.checked.add(first_item + row)
        if name in parts.seen:
            continue
        parts.seen.add(name)
        if own.size < MIN_WORDS:
            parts.short[name] = first_item + row
            continue
        for piece in np.array_split(own, -(-own.size // CHUNK)):
            parts.words.append(piece)
            parts.items.append(first_item + row)


def _index(parts: _Parts, ngram: int) -> EvalIndex:
    sizes = np.array([part.size for part in parts.words], np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    words = np.concatenate([np.zeros(0, np.uint64), *parts.words])
    lengths = np.minimum(ngram, np.maximum(2, (sizes - 1) // 2))
    short = np.array(sorted(parts.short), np.uint64)
    empty = np.zeros(0, np.int64)
    index = EvalIndex(
        words, starts, _weights(words, starts), np.array(parts.items, np.int64), lengths, empty,
        np.zeros(0, np.uint64), np.zeros(0, np.int32), empty, np.zeros(0, np.int32),
        short, np.array([parts.short[name] for name in sorted(parts.short)], np.int64),
    )  # fmt: skip
    return _with_grams(index)


def _weights(words: U64, starts: I64) -> npt.NDArray[np.float64]:
    """Weight of each word by the number of parts that have it."""
    parts = starts.size - 1
    owner = np.repeat(np.arange(parts), np.diff(starts))
    _, which = np.unique(words, return_inverse=True)
    pairs = np.unique(which.astype(np.int64) * max(1, parts) + owner)
    having = np.bincount(pairs // max(1, parts), minlength=1)
    return np.log((parts + 1) / having[which]) if words.size else np.zeros(0)


def _with_grams(index: EvalIndex) -> EvalIndex:
    """Add the n-gram table. N-grams of more than `_COMMON` parts are left out, unless a part has no other."""
    room = int(np.maximum(0, np.diff(index.starts) - index.lengths + 1).sum())
    hashes, owner = np.empty(room, np.uint64), np.empty(room, np.int32)
    gram_hashes(index.words, index.starts, index.lengths, hashes, owner)
    by_hash = np.lexsort((owner, hashes))
    hashes, owner = hashes[by_hash], owner[by_hash]
    new = np.ones(room, bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    hashes, owner = hashes[new], owner[new]
    _, which, having = np.unique(hashes, return_inverse=True, return_counts=True)
    rare = having[which] <= _COMMON
    parts = index.items.size
    rare |= np.bincount(owner[rare], minlength=parts)[owner] == 0
    hashes, owner = hashes[rare], owner[rare]
    grams, post_starts = np.unique(hashes, return_index=True)
    slots = np.zeros(1 << max(8, int(4 * grams.size).bit_length()), np.uint64)
    where = np.zeros(slots.size, np.int32)
    fill_slots(grams, slots, where)
    seeds = np.maximum(1, np.ceil(_SEED_SHARE * np.bincount(owner, minlength=parts))).astype(np.int64)
    ends = np.concatenate((post_starts, [hashes.size])).astype(np.int64)
    return replace(index, seeds=seeds, slots=slots, where=where, post_starts=ends, posts=owner)
