"""A question in the middle of a conversation ("and what about the second one?"): searched with the words before it.

The last user turn decides. Where it does not stand by itself, the words of up to three user turns before it are added,
each turn at half the weight of the next. A question does not stand by itself if it holds at most two words that tell
anything; or if it is not long, and begins as a rejoinder does or holds a word that points back. Words that only point
("the second one", "more") are not searched for. Where nothing points back ("And bread?") the subject may be a new one:
then the earlier words together weigh at most three quarters of the question's own.

No model is asked, so one conversation always finds the same. What points back is told in English; in other languages a
question has to be short. An answer's words are not used: they are the model's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from corpusmith.models.retrieval.expansion import bare, unframed
from corpusmith.models.retrieval.terms import Sparse, Terms, TermStats

MOST_TURNS, HALF, MOST_SHARE = 3, 0.5, 0.75
FEW, SEVERAL = 2, 6
_JOINS = re.compile(r"\s*(?:and|but|or|so|then|also|(?:what|how) about|why|what else)\b", re.IGNORECASE)
_POINTS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|ones?|both|either|neither|same|"
    r"such|former|latter|(?:the|his|her|its|their)\s+(?:first|second|third|fourth|last|next|others?|rest)|others?|another|"
    r"else|more|again|instead)\b",
    re.IGNORECASE,
)


def needs_context(question: str, terms: Terms) -> bool:
    """Whether a question does not stand by itself."""
    told = len(terms.query(_without_pointers(question)).indices)
    return told <= FEW or (told <= SEVERAL and (points_back(question) or bool(_JOINS.match(question))))


def query_in_context(question: str, earlier: Sequence[str], terms: Terms, stats: TermStats) -> Sparse:
    """The tokens of a question and, at lower weight, those of the questions before it.

    Args:
        question: The last one.
        earlier: Those before it, newest first; none = the question as it stands.
        terms: Cuts texts into tokens.
        stats: The index's token counts.
    """
    if not earlier:
        return terms.query(question)
    own = terms.query(_without_pointers(question))
    added: dict[int, float] = {}
    for place, text in enumerate(earlier[:MOST_TURNS], start=1):
        for token in terms.query(bare(text)).indices:
            if token not in own.indices:
                added.setdefault(token, HALF**place)
    scale = 1.0
    if own.indices and added and not points_back(question):
        before = _weight(Sparse(tuple(added), tuple(added.values())), stats)
        scale = min(scale, MOST_SHARE * _weight(own, stats) / before)
    return Sparse((*own.indices, *added), (*own.values, *(scale * weight for weight in added.values())))


def points_back(question: str) -> bool:
    """Whether a word of a question stands for something said before."""
    return bool(_POINTS.search(question))


def earlier_questions(messages: Sequence[Mapping[str, Any]], place: int, text_of: Any) -> list[str]:
    """What users said before a turn, newest first, at most three turns."""
    said = [text_of(turn) for turn in reversed(messages[:place]) if turn.get("role") == "user"]
    return [text for text in said if text.strip()][:MOST_TURNS]


def _weight(query: Sparse, stats: TermStats) -> float:
    return float(sum(value * idf for value, idf in zip(query.values, stats.idf(query.indices).tolist(), strict=True)))


def _without_pointers(question: str) -> str:
    return unframed(_POINTS.sub(" ", question))
