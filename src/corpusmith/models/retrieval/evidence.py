"""Whether any passage speaks of a question at all: else the answer must say that nothing was found.

The evidence is two sums. A passage's support is the share of the question's weight that it holds: the inverse document
frequencies of the question's tokens, those in the passage (or in its title) over all; a token that the corpus lacks
weighs most. How far the best passage stands out is its BM25 score less that of the twentieth, as a share of the best
score that a passage could have: where a whole corpus is about one thing, some passage always holds many of the
question's words, but no passage holds them as no other does.

    evidence = support + 2 (bm25_1 - bm25_20) / (2.2 sum of idf)        0 to 3

The threshold is set on the index's own questions (`pairs`): answerable with their document, less so without it. It is
where the two part best, but never so high that more than a tenth of the answerable would be lost, and never over 1: a
passage that holds every word of a question speaks of it. Measured: docs/measured/retrieval.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpusmith.models.retrieval.index_file import Evidence
from corpusmith.models.retrieval.search import Passage, Retriever
from corpusmith.models.retrieval.store import TERMS, Search, Where
from corpusmith.models.retrieval.terms import K, Sparse, Terms, TermStats

LEAST_QUESTIONS, KEPT, CLEAR = 20, 0.9, 0.95
READ = 5
STANDING_WEIGHT, RANK = 2.0, 20


def evidence_for(
    retriever: Retriever,
    query: Sparse,
    passages: Sequence[Passage],
    where: Sequence[Where] = (),
    without_rows: Sequence[str] = (),
) -> float:
    """How much speaks for it that one of the passages speaks of a question, 0 to 3.

    Args:
        retriever: Of the index.
        query: The question's tokens and what each counts.
        passages: What it found, best first.
        where: Conditions that it was searched with.
        without_rows: Documents that were left out.

    Raises:
        SourceError: The store went away.
    """
    held = support(query, passages, retriever.terms, retriever.stats)
    if not passages or not query.indices:
        return held
    without = tuple(without_rows)
    common = retriever.store.search(Search(TERMS, query, RANK, (), without))  # of the whole index, whatever the filter
    first = retriever.store.search(Search(TERMS, query, 1, tuple(where), without)) if where else common[:1]
    scores = [hit.score for hit in (*first, *common[1:])]
    return held + STANDING_WEIGHT * standing(scores, query, retriever.stats)


def standing(scores: Sequence[float], query: Sparse, stats: TermStats) -> float:
    """How far the first of some BM25 scores stands out above the twentieth, 0-1 of the best that there could be."""
    best = (K + 1) * sum(_weights(query, stats).values())
    if not scores or best <= 0:
        return 0.0
    last = scores[RANK - 1] if len(scores) >= RANK else 0.0
    return min(1.0, max(0.0, scores[0] - last) / best)


def speaks(
    rule: Evidence, retriever: Retriever, query: Sparse, passages: Sequence[Passage], where: Sequence[Where] = ()
) -> bool:
    """Whether one of the passages speaks of a question, by an index's rule; arguments as of `evidence_for`.

    A rule that was set on no questions is one of support alone.

    Raises:
        SourceError: The store went away.
    """
    if not passages:
        return False
    if not rule.questions:
        return support(query, passages, retriever.terms, retriever.stats) >= rule.threshold
    return evidence_for(retriever, query, passages, where) >= rule.threshold


def support(query: Sparse, passages: Sequence[Passage], terms: Terms, stats: TermStats) -> float:
    """The largest share, 0-1, of the question's weight that one of the first passages holds; 0 without any token."""
    weights = _weights(query, stats)
    total = sum(weights.values())
    if total <= 0:
        return 0.0
    best = 0.0
    for passage in passages[:READ]:
        there = terms.counts(f"{passage.title}\n{passage.text}").keys() & weights.keys()
        best = max(best, sum(weights[token] for token in there) / total)
    return best


def _weights(query: Sparse, stats: TermStats) -> dict[int, float]:
    pairs = zip(query.values, stats.idf(query.indices).tolist(), strict=True)
    return dict(zip(query.indices, (value * idf for value, idf in pairs), strict=True))


def calibrate(
    with_document: Sequence[float],
    without_document: Sequence[float],
    near: Sequence[float] = (),
) -> Evidence:
    """The threshold of an index.

    Args:
        with_document: Evidence for n questions.
        without_document: For the same ones when the document that answers them is left out.
        near: The best cosine then; empty without vectors.
    """
    cosine = float(np.quantile(near, CLEAR)) if len(near) >= LEAST_QUESTIONS else None
    if len(with_document) < LEAST_QUESTIONS:
        return Evidence(cosine=cosine)
    found, lost = np.asarray(with_document, float), np.asarray(without_document, float)
    levels = np.unique(np.minimum(np.concatenate([found, lost, [0.05]]), 1.0))
    kept = np.array([(found >= level).mean() for level in levels])
    false = np.array([(lost >= level).mean() for level in levels])
    gain = np.where(kept >= KEPT, kept - false, -np.inf)
    at = int(np.flatnonzero(gain == gain.max())[-1])
    return Evidence(
        threshold=round(float(levels[at]) - 5e-5, 4) if levels[at] > 0.01 else 0.01,
        found_frac=round(float(kept[at]), 4),
        false_frac=round(float(false[at]), 4),
        cosine=None if cosine is None else round(cosine, 4),
        questions=len(found),
    )
