"""How well a ranking finds what is relevant: recall, reciprocal rank and nDCG of the first k, with intervals.

Relevance is yes or no. With more relevant passages than k places, recall is over the k that could be there. nDCG is
that of Jarvelin & Kekalainen (2002) with gain 1 and discount log2(rank + 1).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from corpusmith.core.gates import Metric
from corpusmith.ops.grading.bootstrap import SAMPLES, interval

PLACES = 10


@dataclass(frozen=True)
class RankGrades:
    """One question's grades, each in 0-1."""

    recall: float
    reciprocal_rank: float
    ndcg: float


def grade_ranking(ranking: Sequence[str], relevant: Collection[str], k: int = PLACES) -> RankGrades:
    """Grade the first k of a ranking.

    Args:
        ranking: Ids, best first, each once.
        relevant: Ids that answer the question; at least one.
        k: Places that count.
    """
    wanted = frozenset(relevant)
    hits = np.array([id_ in wanted for id_ in ranking[:k]], bool)
    ranks = np.flatnonzero(hits) + 1
    possible = min(len(wanted), k)
    if not ranks.size or not possible:
        return RankGrades(0.0, 0.0, 0.0)
    ideal = float((1 / np.log2(np.arange(1, possible + 1) + 1)).sum())
    gain = float((1 / np.log2(ranks + 1)).sum())
    return RankGrades(ranks.size / possible, 1 / int(ranks[0]), gain / ideal)


def ranking_metrics(grades: Sequence[RankGrades], *, samples: int = SAMPLES, seed: int = 0) -> dict[str, Metric]:
    """`recall_at_10`, `mrr` and `ndcg_at_10` over questions, with 95 % bootstrap intervals; NaN without questions."""
    columns = {
        "recall_at_10": [one.recall for one in grades],
        "mrr": [one.reciprocal_rank for one in grades],
        "ndcg_at_10": [one.ndcg for one in grades],
    }
    return {
        name: interval(np.array(values, np.float64), "mean", samples=samples, seed=seed)
        for name, values in columns.items()
    }
