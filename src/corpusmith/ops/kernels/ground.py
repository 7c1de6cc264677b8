"""The inner loop of grounding: the window of the documents that holds most of an answer's words and pairs of words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from corpusmith.ops.kernels.words import I32, I64, U64, hash_sequence

F64 = npt.NDArray[np.float64]
OWN_CONTEXT = -2
"""Stands for a document where the row's own context holds most of the answer."""


@njit(cache=True, nogil=True)
def pair_hashes(words: U64, out: U64) -> int:
    """Write the hash of every two neighbouring words into `out`; returns how many."""
    for at in range(words.size - 1):
        out[at] = hash_sequence(words, at, at + 2)
    return max(0, words.size - 1)


@njit(cache=True, nogil=True)
def distinct(values: U64) -> U64:
    """The distinct values, ascending."""
    ordered = np.sort(values)
    count = 0
    for at in range(ordered.size):
        if count == 0 or ordered[at] != ordered[count - 1]:
            ordered[count] = ordered[at]
            count += 1
    return ordered[:count]


@njit(cache=True, nogil=True)
def find(values: U64, value: np.uint64) -> int:
    """Place of `value` among ascending `values`; -1 where it is not there."""
    at = int(np.searchsorted(values, value))
    return at if at < values.size and values[at] == value else -1


@njit(cache=True, nogil=True)
def add_windows(posts: I32, documents: I32, share: float, sums: F64, touched: I32, count: int) -> int:
    """Add `share` once to the sum of every window that has a feature; returns the number of windows touched so far.

    Args:
        posts: Blocks that have the feature, ascending. A window is a block and the next one of its document.
        documents: Document of each block.
        share: What the feature counts.
        sums: One a window, named by its first block.
        touched: The windows whose sum is not 0.
        count: How many they are.
    """
    last = -2
    for block in posts:
        before = block - 1
        if before >= 0 and documents[before] == documents[block] and last != before:
            if sums[before] == 0.0:
                touched[count] = before
                count += 1
            sums[before] += share
        if sums[block] == 0.0:
            touched[count] = block
            count += 1
        sums[block] += share
        last = block
    return count


@njit(cache=True, nogil=True)
def ground_piece(
    families: tuple[U64, U64],
    features: U64,
    weights: F64,
    post_starts: I64,
    posts: I32,
    documents: I32,
    context: tuple[U64, U64],
    limits: tuple[int, int],
    sums: F64,
    touched: I32,
) -> tuple[float, int]:
    """How much of one piece of an answer stands in the window that holds most of it, and in which document.

    Args:
        families: The piece's distinct words, and its distinct pairs of words.
        features: Distinct hashes of the documents' words and pairs, ascending.
        weights: Their weights, and at the end that of what no document has.
        post_starts: Features + 1 offsets into `posts`.
        posts: Blocks that have the feature, ascending.
        documents: Document of each block.
        context: Words and pairs of the row's own context, ascending.
        limits: Most blocks a feature may stand in to propose windows; windows that are then looked at in full.
        sums: Zeros, one a block; zeros again afterwards.
        touched: Room for one number a block.
    """
    most, looked = limits
    count, commons, own = 0, 0, 0.0
    room = families[0].size + families[1].size
    common, common_share = np.empty(room, np.int64), np.empty(room)
    for which in range(2):
        family = families[which]
        places = np.empty(family.size, np.int64)
        total = 0.0
        for at in range(family.size):
            places[at] = find(features, family[at])
            total += weights[places[at]]  # -1, the last one, is that of what no document has
        for at in range(family.size):
            place = places[at]
            share = weights[place] / total / 2
            own += share if find(context[which], family[at]) >= 0 else 0.0
            if place >= 0 and post_starts[place + 1] - post_starts[place] > most:
                common[commons], common_share[commons] = place, share
                commons += 1
            elif place >= 0:
                mine = posts[post_starts[place] : post_starts[place + 1]]
                count = add_windows(mine, documents, share, sums, touched, count)
    best, where = own, OWN_CONTEXT if own > 0 else -1
    for _ in range(min(count, looked) if commons else min(count, 1)):
        window = touched[np.argmax(sums[touched[:count]])]
        score = sums[window]
        sums[window] = -1.0
        last = window + 1 if window + 1 < documents.size and documents[window + 1] == documents[window] else window
        for at in range(commons):
            mine = posts[post_starts[common[at]] : post_starts[common[at] + 1]]
            first = np.searchsorted(mine, window)
            score += common_share[at] if first < mine.size and mine[first] <= last else 0.0
        if score > best:
            best, where = score, documents[window]
    sums[touched[:count]] = 0.0
    return min(best, 1.0), where


@njit(cache=True, nogil=True)
def ground_rows(
    words: U64,
    starts: I64,
    context_words: U64,
    context_starts: I64,
    features: U64,
    weights: F64,
    post_starts: I64,
    posts: I32,
    documents: I32,
    sizes: tuple[int, int, int, int],
    scores: F64,
    found: I64,
) -> None:
    """For every answer, how much of it its best windows hold, and the document of the best one.

    Args:
        words: Word hashes of n answers.
        starts: n + 1 offsets into them.
        context_words: Word hashes of the rows' own contexts.
        context_starts: n + 1 offsets into them.
        features: See `ground_piece`.
        weights: See `ground_piece`.
        post_starts: See `ground_piece`.
        posts: See `ground_piece`.
        documents: See `ground_piece`.
        sizes: Fewest words that say anything; most words of a piece; and the limits of `ground_piece`.
        scores: n, filled with the share found; NaN where there are too few words.
        found: n, filled with the document, -1 = none, `OWN_CONTEXT`.
    """
    least, chunk, most, looked = sizes
    sums, touched = np.zeros(documents.size), np.empty(documents.size, np.int32)
    for row in range(starts.size - 1):
        low, high = starts[row], starts[row + 1]
        size = high - low
        scores[row], found[row] = np.nan, -1
        if size < least:
            continue
        given = context_words[context_starts[row] : context_starts[row + 1]]
        pairs = np.empty(max(0, given.size - 1), np.uint64)
        pair_hashes(given, pairs)
        context = (distinct(given), distinct(pairs))
        pieces = -(-size // chunk)
        total, highest = 0.0, 0.0
        for piece in range(pieces):
            mine = words[low + size * piece // pieces : low + size * (piece + 1) // pieces]
            pairs = np.empty(mine.size - 1, np.uint64)
            pair_hashes(mine, pairs)
            score, where = ground_piece(
                (distinct(mine), distinct(pairs)), features, weights, post_starts, posts, documents, context,
                (most, looked), sums, touched,
            )  # fmt: skip
            total += score * mine.size
            if score > highest:
                highest, found[row] = score, where
        scores[row] = total / size
