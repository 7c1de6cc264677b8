"""Every figure of the published text-quality rules, per document, straight from Arrow's bytes.

Three loops a document share its bytes while they are in cache: lines (`kernels.lines`), tokens (`kernels.tokens`) and
repetition (`kernels.repeats`). `FIGURES` names the columns of the result; `ops.signals` says what they mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels import lines as ln
from corpusmith.ops.kernels.characters import F64, I32, I64, U8, U16, U64
from corpusmith.ops.kernels.repeats import ngram_chars, repeated, table_bits
from corpusmith.ops.kernels.tokens import HAS_LETTER, IS_WORD, tokenize

FIGURES = (
    "n_chars", "n_words", "n_tokens", "n_lines", "n_newlines", "n_paragraphs", "n_sentences",
    "mean_word_chars", "symbol_word_ratio", "bullet_line_frac", "ellipsis_line_frac", "alpha_word_frac", "stop_words",
    "dup_line_frac", "dup_par_frac", "dup_line_char_frac", "dup_par_char_frac",
    "top_2gram_char_frac", "top_3gram_char_frac", "top_4gram_char_frac",
    "dup_5gram_char_frac", "dup_6gram_char_frac", "dup_7gram_char_frac", "dup_8gram_char_frac",
    "dup_9gram_char_frac", "dup_10gram_char_frac",
    "line_punct_frac", "short_line_frac", "list_ratio", "dup_line_text_frac",
    "c4_sentences", "curly_brackets", "lorem_ipsum", "javascript_lines", "policy_lines", "spaceless_frac",
)  # fmt: skip
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def _packed(word: str) -> int:
    return int.from_bytes(word.encode(), "big")


_STOP = np.array([_packed(word) for word in _STOP_WORDS], np.int64)


@njit(cache=True)
def _stop_bit(data: U8, low: int, high: int) -> int:
    """A bit per English stop word of Gopher's eight; 0 for any other token."""
    if high - low > 4 or high - low < 2:
        return 0
    packed = 0
    for at in range(low, high):
        packed = (packed << 8) | (data[at] | 0x20)
    for index in range(_STOP.size):
        if packed == _STOP[index]:
            return 1 << index
    return 0


@njit(cache=True)
def _token_figures(data: U8, count: int, chars: I32, flags: U8, spans: I64, ends: I64, out: F64) -> None:
    """Fill `ends` (characters before each token) and the word figures."""
    words, alpha, word_chars, stops, total = 0, 0, 0, 0, 0
    runs, letter = 0, 0
    for at in range(count):
        ends[at] = total
        total += chars[at]
        if flags[at] & IS_WORD:
            words += 1
            word_chars += chars[at]
            stops |= _stop_bit(data, spans[at, 0], spans[at, 1])
        if at == 0 or spans[at, 0] > spans[at - 1, 1]:
            runs += 1
            alpha += letter
            letter = 0
        if flags[at] & HAS_LETTER:
            letter = 1
    alpha += letter
    ends[count] = total
    kinds = 0
    while stops:
        kinds += stops & 1
        stops >>= 1
    out[1], out[2] = words, count
    out[7] = word_chars / words if words else 0.0
    out[11] = alpha / runs if runs else 0.0
    out[12] = kinds


@njit(cache=True)
def _line_figures(counts: I64, tokens: int, out: F64) -> None:
    """Fill what follows from the counts of `kernels.lines`."""
    lines = max(1, counts[ln.LINES])
    letters = max(1, counts[ln.CHARS])
    out[0], out[3], out[4] = counts[ln.CHARS], counts[ln.LINES], counts[ln.NEWLINES]
    out[5], out[6] = counts[ln.PARAGRAPHS], counts[ln.SENTENCES]
    if tokens:
        out[8] = max(counts[ln.HASHES], counts[ln.ELLIPSES]) / tokens
        out[28] = counts[ln.NEWLINES] / tokens
    out[9], out[10] = counts[ln.BULLETS] / lines, counts[ln.ELLIPSIS_LINES] / lines
    out[26], out[27] = counts[ln.PUNCT_LINES] / lines, counts[ln.SHORT_LINES] / lines
    out[30], out[31], out[32] = counts[ln.C4_SENTENCES], counts[ln.CURLY], counts[ln.LOREM]
    out[33], out[34] = counts[ln.JAVASCRIPT_LINES], counts[ln.POLICY_LINES]
    out[35] = counts[ln.SINGLES] / letters


@njit(cache=True)
def text_figures(data: U8, offsets: I64, table: U16) -> F64:
    """The figures of every document.

    Args:
        data: uint8 UTF-8 of all documents, as in an Arrow large_string array.
        offsets: int64, n + 1 bounds into `data`.
        table: `characters.character_table()`.

    Returns:
        float64 (n, len(FIGURES)).
    """
    rows = offsets.size - 1
    most = 1
    for row in range(rows):
        most = max(most, offsets[row + 1] - offsets[row])
    hashes, chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    flags, spans = np.empty(most, np.uint8), np.empty((most, 2), np.int64)
    ends, places = np.empty(most + 1, np.int64), np.empty(most, np.int32)
    grams = np.empty(most, np.uint64)
    para_hashes, para_chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    keys, stamps, tally = np.empty(16, np.uint64), np.zeros(16, np.int64), np.empty(16, np.int32)
    counts = np.empty(ln.COUNTS, np.int64)
    top = np.empty(9, np.float64)
    stamp = 0
    out = np.zeros((rows, 36), np.float64)
    for row in range(rows):
        low, high = offsets[row], offsets[row + 1]
        if low == high:
            continue
        counts[:] = 0
        ln.scan_lines(data, low, high, table, counts, hashes, chars, para_hashes, para_chars)
        n_lines, n_chars = counts[ln.LINES], counts[ln.CHARS]
        need = 1 << table_bits(n_lines)
        if need > keys.size:
            keys, stamps, tally = np.empty(need, np.uint64), np.zeros(need, np.int64), np.empty(need, np.int32)
        items, size = repeated(hashes, chars, n_lines, keys, stamps, stamp + 1)
        paras, para_size = repeated(para_hashes, para_chars, counts[ln.PARAGRAPHS], keys, stamps, stamp + 2)
        stamp += 2
        count = tokenize(data, low, high, table, hashes, chars, flags, spans)
        need = 1 << table_bits(count)
        if need > keys.size:
            keys, stamps, tally = np.empty(need, np.uint64), np.zeros(need, np.int64), np.empty(need, np.int32)
        _line_figures(counts, count, out[row])
        _token_figures(data, count, chars, flags, spans, ends, out[row])
        out[row, 13], out[row, 15] = items / max(1, n_lines), size / n_chars
        out[row, 14], out[row, 16] = paras / max(1, counts[ln.PARAGRAPHS]), para_size / n_chars
        out[row, 29] = size / max(1, n_chars - counts[ln.NEWLINES])
        top[:] = 0
        stamp = ngram_chars(hashes, ends, count, grams, places, keys, stamps, tally, stamp, top)
        for index in range(9):
            out[row, 17 + index] = min(1.0, top[index] / n_chars)
    return out


@njit(cache=True)
def token_counts(data: U8, offsets: I64, table: U16) -> tuple[U64, I64, I64]:
    """The distinct tokens of all documents, lower and upper case apart.

    Returns:
        hashes (uint64), counts (int64), spans (int64 (u, 2), of one occurrence each), in order of first occurrence.
    """
    rows = offsets.size - 1
    most = 1
    for row in range(rows):
        most = max(most, offsets[row + 1] - offsets[row])
    hashes, chars = np.empty(most, np.uint64), np.empty(most, np.int32)
    flags, spans = np.empty(most, np.uint8), np.empty((most, 2), np.int64)
    size, used = 1 << 14, 0
    slots = np.full(size, -1, np.int64)
    keys, tally, where = np.empty(size, np.uint64), np.zeros(size, np.int64), np.empty((size, 2), np.int64)
    for row in range(rows):
        count = tokenize(data, offsets[row], offsets[row + 1], table, hashes, chars, flags, spans)
        for at in range(count):
            if 2 * used >= size:
                size *= 2
                slots = np.full(size, -1, np.int64)
                new_keys, new_tally, new_where = (
                    np.empty(size, np.uint64), np.zeros(size, np.int64), np.empty((size, 2), np.int64),
                )  # fmt: skip
                new_keys[:used], new_tally[:used], new_where[:used] = keys[:used], tally[:used], where[:used]
                keys, tally, where = new_keys, new_tally, new_where
                for index in range(used):
                    slots[_slot(slots, keys, keys[index])] = index
            slot = _slot(slots, keys, hashes[at])
            index = slots[slot]
            if index < 0:
                index = slots[slot] = used
                keys[used], tally[used] = hashes[at], 0
                where[used, 0], where[used, 1] = spans[at, 0], spans[at, 1]
                used += 1
            tally[index] += 1
    return keys[:used].copy(), tally[:used].copy(), where[:used].copy()


@njit(cache=True)
def _slot(slots: I64, keys: U64, key: Any) -> Any:
    """The slot that holds `key`, or the free one where it belongs."""
    mask = np.uint64(slots.size - 1)
    slot = (key ^ (key >> np.uint64(32))) & mask
    while slots[slot] >= 0 and keys[slots[slot]] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot
