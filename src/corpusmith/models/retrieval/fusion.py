"""Several rankings made one, by reciprocal ranks (Cormack, Clarke & Buettcher 2009): score = sum of w / (60 + rank).

Done here and not in the store, because a question may be asked in several wordings, and so that every store fuses
alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from corpusmith.models.retrieval.store import Hit

K = 60


def fuse(rankings: Sequence[tuple[float, Sequence[Hit]]]) -> list[Hit]:
    """Rankings with their weights to one, best first; equal ones by id. Scores are the fused ones."""
    scores: dict[str, float] = {}
    hits: dict[str, Hit] = {}
    for weight, ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            scores[hit.id] = scores.get(hit.id, 0.0) + weight / (K + rank)
            hits.setdefault(hit.id, hit)
    order = sorted(scores, key=lambda id_: (-round(scores[id_], 12), id_))
    return [Hit(id_, scores[id_], hits[id_].payload) for id_ in order]
