"""The inner loops of decontamination: seed matches of short n-grams, then a local alignment word by word."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from corpusmith.ops.kernels.join import find_slot
from corpusmith.ops.kernels.words import I32, I64, U8, U64, hash_sequence, hash_words

F64 = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def gram_hashes(words: U64, starts: I64, lengths: I64, out: U64, owner: I32) -> int:
    """Write the hash of every n-gram of every part (n of its own) and the part it is of; returns how many."""
    total = 0
    for part in range(starts.size - 1):
        for at in range(starts[part], starts[part + 1] - lengths[part] + 1):
            out[total] = hash_sequence(words, at, at + lengths[part])
            owner[total] = part
            total += 1
    return total


@njit(cache=True, nogil=True)
def sequence_hashes(words: U64, starts: I64, out: U64) -> None:
    """One hash of all the words of each part or row, in order."""
    for part in range(starts.size - 1):
        out[part] = hash_sequence(words, starts[part], starts[part + 1])


@njit(cache=True, nogil=True)
def fill_slots(grams: U64, slots: U64, where: I32) -> None:
    """Enter distinct hashes into an empty table; `where` is a hash's index in `grams`."""
    for at in range(grams.size):
        slot = find_slot(slots, grams[at])
        slots[slot] = grams[at]
        where[slot] = at


@njit(cache=True, nogil=True)
def seed_hits(
    words: U64, lengths: I64, slots: U64, where: I32, post_starts: I64, posts: I32, hits: I64
) -> tuple[int, I64]:
    """Every n-gram of a row that an evaluation part has too, as part * 2**32 + position in the row, unordered.

    Returns:
        How many, and the array that holds them: `hits`, or a larger one where that was too small.
    """
    count = 0
    for length in lengths:
        for at in range(words.size - length + 1):
            value = hash_sequence(words, at, at + length)
            slot = find_slot(slots, value)
            if slots[slot] == 0:
                continue
            gram = where[slot]
            for post in range(post_starts[gram], post_starts[gram + 1]):
                if count == hits.size:
                    larger = np.empty(2 * hits.size, np.int64)
                    larger[:count] = hits
                    hits = larger
                hits[count] = (np.int64(posts[post]) << 32) | at
                count += 1
    return count, hits


@njit(cache=True, nogil=True)
def align(part: U64, weights: F64, window: U64, best: F64, length: I64) -> tuple[float, int]:
    """Heaviest common subsequence of two word sequences: its weight and its number of words.

    Args:
        part: m word hashes.
        weights: m weights >= 0 of them.
        window: k word hashes.
        best: Room for k + 1 numbers.
        length: Room for k + 1 numbers.
    """
    k = window.size
    best[: k + 1] = 0.0
    length[: k + 1] = 0
    for i in range(part.size):
        diagonal, diagonal_length = 0.0, np.int64(0)
        for j in range(1, k + 1):
            above, above_length = best[j], length[j]
            if part[i] == window[j - 1]:
                best[j], length[j] = diagonal + weights[i], diagonal_length + 1
            elif best[j - 1] > above:
                best[j], length[j] = best[j - 1], length[j - 1]
            diagonal, diagonal_length = above, above_length
    return best[k], length[k]


@njit(cache=True, nogil=True)
def densest(hits: I64, low: int, high: int, span: int) -> tuple[int, int, int]:
    """First and last position, and number, of the most hits (ascending `hits[low:high]`) within `span` words."""
    most, first, last = 0, 0, 0
    tail = low
    for head in range(low, high):
        while hits[head] - hits[tail] >= span:
            tail += 1
        if head - tail + 1 > most:
            most, first, last = head - tail + 1, hits[tail], hits[head]
    return first & 0xFFFFFFFF, last & 0xFFFFFFFF, most


@njit(cache=True, nogil=True)
def match_rows(
    data: U8,
    offsets: I64,
    table: I32,
    part_words: U64,
    part_starts: I64,
    weights: F64,
    totals: F64,
    lengths: I64,
    seeds: I64,
    all_lengths: I64,
    slots: U64,
    where: I32,
    post_starts: I64,
    posts: I32,
    limits: tuple[float, int],
    whole: U64,
    parts: I64,
    scores: F64,
) -> None:
    """For every row, the evaluation part it holds most of.

    Args:
        data: UTF-8 bytes of n rows.
        offsets: n + 1 offsets.
        table: `kernels.words.fold_table()`.
        part_words: Word hashes of all parts.
        part_starts: Parts + 1 offsets into them.
        weights: Weight of each of those words.
        totals: Sum of weights per part.
        lengths: n of the n-grams of each part.
        seeds: Per part, least number of n-grams that must lie close together before words are compared.
        all_lengths: Every n in use.
        slots: Table of n-gram hashes.
        where: Per slot, index of the n-gram.
        post_starts: N-grams + 1 offsets into `posts`.
        posts: Parts that have the n-gram.
        limits: Least score; least number of words in common.
        whole: n, filled with the hash of the row's whole word sequence (0 = no words).
        parts: n, filled with the part, -1 = none reaches the limits.
        scores: n, filled with the share of the part's weight found, in order, in a window of the row.
    """
    least_score, least_words = limits
    hits = np.empty(1024, np.int64)
    words = np.empty(1024, np.uint64)
    best, length = np.empty(1024), np.empty(1024, np.int64)
    for row in range(offsets.size - 1):
        room = (offsets[row + 1] - offsets[row]) // 2 + 1
        if words.size < room:
            words = np.empty(2 * room, np.uint64)
        count = hash_words(data, offsets[row], offsets[row + 1], table, words)
        whole[row] = hash_sequence(words, 0, count) if count else np.uint64(0)
        parts[row], scores[row] = -1, 0.0
        total, hits = seed_hits(words[:count], all_lengths, slots, where, post_starts, posts, hits)
        hits[:total].sort()
        low = 0
        while low < total:
            part = hits[low] >> 32
            high = low
            while high < total and hits[high] >> 32 == part:
                high += 1
            mine = part_words[part_starts[part] : part_starts[part + 1]]
            span = mine.size + mine.size // 4 + lengths[part]
            first, last, most = densest(hits, low, high, span)
            low = high
            if most < seeds[part]:
                continue
            window = words[max(0, last + lengths[part] - span) : min(count, first + span)]
            if best.size <= window.size:
                best, length = np.empty(2 * window.size), np.empty(2 * window.size, np.int64)
            weight, common = align(mine, weights[part_starts[part] : part_starts[part + 1]], window, best, length)
            score = weight / totals[part]
            if score >= least_score and common >= least_words and score > scores[row]:
                parts[row], scores[row] = part, score
