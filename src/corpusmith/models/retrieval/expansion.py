"""A question asked in more than one way, without a model: without the words that only frame it, its sentences one by
one, and with the words of what it found.

Relevance feedback after RM3 (Abdul-Jaleel et al. 2004): the terms that weigh most in the best few passages are added
to the question's own, at a lower weight. Departure: weights are tf-idf shares, not language model probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from corpusmith.models.retrieval.store import Hit
from corpusmith.models.retrieval.terms import Sparse, Terms, TermStats

PASSAGES, ADDED, ADDED_WEIGHT = 4, 12, 0.3
MOST_PARTS, LEAST_WORDS = 4, 3
_FRAME = re.compile(
    r"\b(?:(?:please|can|could|would|will) you\s+)?(?:please\s+)?"
    r"(?:tell me(?: more)?(?: about)?|explain(?: to me)?|describe|give me|show me|let me know|help me understand|"
    r"i (?:want|would like|need) to know|do you know|what (?:do|does|did) (?:you|we|they|it|he|she) (?:say|know|think)|"
    r"(?:write|say|says|said|talk|mention)(?:s|ed|ing)? about|summari[sz]e)\b",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")


def bare(question: str) -> str:
    """A question without the English words that only ask for an answer ("tell me about"); itself if nothing is left."""
    return unframed(question) or question


def unframed(question: str) -> str:
    """The same, and empty if nothing is left."""
    left = " ".join(_FRAME.sub(" ", question).split())
    return left if any(letter.isalnum() for letter in left) else ""


def parts_of(question: str) -> list[str]:
    """The sentences of a question that has several, each of at least three words; else nothing."""
    parts = [part.strip() for part in _END.split(question)]
    good = [part for part in parts if len(part.split()) >= LEAST_WORDS]
    return good[:MOST_PARTS] if len(good) > 1 else []


def with_feedback(query: Sparse, found: Sequence[Hit], terms: Terms, stats: TermStats) -> Sparse | None:
    """The question with the telling terms of the passages it found; None where there are none."""
    weights: dict[int, float] = {}
    for hit in found[:PASSAGES]:
        counts = terms.counts(str(hit.payload.get("text", "")))
        length = sum(counts.values()) or 1
        idf = stats.idf(counts)
        for (token, count), rare in zip(counts.items(), idf.tolist(), strict=True):
            weights[token] = weights.get(token, 0.0) + hit.score * count / length * rare
    own = set(query.indices)
    best = sorted((item for item in weights.items() if item[0] not in own), key=lambda item: (-item[1], item[0]))[
        :ADDED
    ]
    if not best or not query.indices:
        return None
    top = best[0][1] or 1.0
    values = (*query.values, *(ADDED_WEIGHT * weight / top for _, weight in best))
    return Sparse((*query.indices, *(token for token, _ in best)), values)
