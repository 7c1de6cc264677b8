"""Draws without replacement as orders: each method gives every row a priority, and the rows first in that order stay.

    random        the row's hash: a uniform draw
    stratified    (rank in its category + 1/2) / size of the category: any prefix holds each category in proportion,
                  as Sainte-Laguë (Webster) shares out seats, so within one row of exact for ordinary data
    equal         rank in its category: any prefix holds as near the same number of each category as there is
    weighted      -log(u) / w: Efraimidis & Spirakis 2006 (their u^(1/w), largest first, in a form that does not
                  underflow); weight 0 is never drawn

A bottom-k draw by hash has the property one wants of a curated set: take a row out of the input and every other row
that was drawn stays drawn (random, weighted and, within categories, the other two).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpusmith.ops.sampling_fields import uniform

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """A draw over n rows.

    Attributes:
        keep: n booleans.
        value: n priorities, the lowest drawn first.
        threshold: The priority of the last row drawn; -inf when none was.
    """

    keep: Bools
    value: Floats
    threshold: float


def encode(categories: Sequence[str]) -> tuple[list[str], Codes]:
    """The distinct categories, sorted, and for each row the index of its own."""
    names = sorted(set(categories))
    index = {name: code for code, name in enumerate(names)}
    return names, np.fromiter((index[value] for value in categories), np.int64, count=len(categories))


def ranks(keys: Keys, codes: Codes) -> Codes:
    """Each row's 0-based place by key among the rows of its category."""
    order = np.lexsort((keys, codes))
    sizes = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
    begin = np.concatenate(([0], np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    out = np.empty(len(codes), np.int64)
    out[order] = np.arange(len(codes)) - np.repeat(begin, sizes)
    return out


def stratified(keys: Keys, codes: Codes) -> Floats:
    """Priorities that share rows out in proportion to the categories' sizes."""
    sizes = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
    return np.asarray((ranks(keys, codes) + 0.5) / sizes[codes], np.float64)


def equal(keys: Keys, codes: Codes) -> Floats:
    """Priorities that give each category the same number of rows while it has any."""
    return ranks(keys, codes).astype(np.float64)


def weighted(keys: Keys, weights: Floats) -> Floats:
    """Efraimidis-Spirakis priorities; infinite where the weight is 0."""
    out = np.full(len(keys), np.inf)
    some = weights > 0
    out[some] = -np.log(uniform(keys[some])) / weights[some]
    return out


def category_weights(
    categories: Sequence[str], weights: Mapping[str, float], default: float, alpha: float | None = None
) -> Floats:
    """A weight per row: its category's own or `default`; times n^(alpha-1) when `alpha` is given.

    With `alpha` 1 the mix stays as it is, with 0 every category is drawn alike (inverse frequency); about 0.3 is the
    usual temperature of multilingual training (n rows of a category, p ~ n^alpha).
    """
    names, codes = encode(categories)
    each = np.array([weights.get(name, default) for name in names], np.float64)
    if alpha is not None and len(codes):
        each = each * np.bincount(codes).astype(np.float64) ** (alpha - 1.0)
    return np.asarray(each[codes], np.float64)


def cut(priority: Floats, keys: Keys, rows: int | None = None, tokens: Codes | None = None, budget: int = 0) -> Drawn:
    """Keep the first rows of the order, at most `rows` of them and at most `budget` tokens.

    Rows with an infinite priority are never kept, nor rows that alone are over the budget (they are stepped over). The
    first other row that does not fit ends the draw: going on with shorter rows would favour short ones, and would
    make a row's fate depend on the others.

    Args:
        priority: n priorities, lowest first.
        keys: n hashes, to break ties.
        rows: Most rows; None = no limit.
        tokens: n token counts; None = no budget.
        budget: Most tokens, when `tokens` is given.
    """
    possible = np.isfinite(priority)
    if tokens is not None:
        possible &= tokens <= budget
    order = np.lexsort((keys, priority))
    order = order[possible[order]]
    if rows is not None:
        order = order[:rows]
    if tokens is not None:
        order = order[: int(np.searchsorted(np.cumsum(tokens[order]), budget, side="right"))]
    keep = np.zeros(len(priority), bool)
    keep[order] = True
    return Drawn(keep, priority, float(priority[order[-1]]) if len(order) else float("-inf"))
