"""Whether any passage speaks of a question at all: else the answer must say that nothing was found.

A passage's support is the share of the question's weight that it holds: the inverse document frequencies of the
question's tokens, those in the passage (or in its title) over all. A token that the corpus lacks weighs most. A
question XX

The threshold is set on the index's own questions (`pairs`): answerable with their document, less so without it. It is
where the two part best, but never so high that more than a tenth of the answerable would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpusmith.models.retrieval.index_file import Evidence
from corpusmith.models.retrieval.search import Passage
from corpusmith.models.retrieval.terms import Terms, TermStats

LEAST_QUESTIONS, KEPT, CLEAR = 20, 0.9, 0.95
READ = 5


def support(question: str, passages: Sequence[Passage], terms: Terms, stats: TermStats) -> float:
    """The largest share, 0-1, of the question's weight that one of the first passages holds; 0 without any token."""
    tokens = terms.query(question).indices
    weights = dict(zip(tokens, stats.idf(tokens).tolist(), strict=True))
    total = sum(weights.values())
    if total <= 0:
        return 0.0
    best = 0.0
    for passage in passages[:READ]:
        there = terms.counts(f"{passage.title}\n{passage.text}").keys() & weights.keys()
        best = max(best, sum(weights[token] for token in there) / total)
    return best


def calibrate(
    with_document: Sequence[float],
    without_document: Sequence[float],
    near: Sequence[float] = (),
) -> Evidence:
    """The threshold of an index.

    Args:
        with_document: Support of n questions.
        without_document: Their support when the document that answers them is left out.
        near: The best cosine then; empty without vectors.
    """
    cosine = float(np.quantile(near, CLEAR)) if len(near) >= LEAST_QUESTIONS else None
    if len(with_document) < LEAST_QUESTIONS:
        return Evidence(cosine=cosine)
    found, lost = np.asarray(with_document, float), np.asarray(without_document, float)
    levels = np.unique(np.concatenate([found, lost, [0.05]]))
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
