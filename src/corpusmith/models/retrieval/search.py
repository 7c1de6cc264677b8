"""Passages that speak of a question: words and vectors searched, rankings fused, duplicates left out, ranked again.

sparse   BM25 over stems, the question also with the terms of what it found (relevance feedback) where asked for
dense    cosine of embeddings
hybrid   both, fused by reciprocal ranks; the default of an index with vectors
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from corpusmith.core.errors import ParameterError
from corpusmith.models.retrieval.embedding import Embedder
from corpusmith.models.retrieval.expansion import parts_of, with_feedback
from corpusmith.models.retrieval.followups import query_in_context
from corpusmith.models.retrieval.fusion import fuse
from corpusmith.models.retrieval.reranking import CrossEncoder
from corpusmith.models.retrieval.store import DENSE, FIELDS, TERMS, Hit, Search, VectorStore, Where
from corpusmith.models.retrieval.terms import Sparse, Terms, TermStats

Mode = Literal["sparse", "dense", "hybrid"]
Expand = Literal["none", "parts", "feedback"]

LEAST_DEPTH, DEEPER = 50, 5
RERANKED = 30
FEEDBACK_WEIGHT, PART_WEIGHT = 0.5, 0.5


@dataclass(frozen=True)
class Passage:
    """A chunk that was found.

    Attributes:
        id: Its point's id.
        chunk_id: Its row id.
        row_id: The document's row id.
        source: File the document came from.
        title: The document's title.
        url: Its address; empty where it has none.
        text: The chunk's text.
        score: Fused score, or the cross-encoder's; comparable within one answer only.
        fields: What it may be filtered on.
    """

    id: str
    chunk_id: str
    row_id: str
    source: str
    title: str
    url: str
    text: str
    score: float
    fields: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Retriever:
    """Searches one index. Safe to use from several threads.

    Attributes:
        store: Holds the points.
        terms: Cuts texts into tokens.
        stats: The index's token counts.
        embedder: Makes the question's vector; None = words alone.
        reranker: Reads the best again; None = not done.
        reword: Other wordings of a question, by a chat model; None = not asked for.
    """

    store: VectorStore
    terms: Terms
    stats: TermStats
    embedder: Embedder | None = None
    reranker: CrossEncoder | None = None
    reword: Callable[[str], Sequence[str]] | None = None

    def search(
        self,
        question: str,
        k: int = 10,
        *,
        where: Sequence[Where] = (),
        mode: Mode | None = None,
        expand: Expand = "parts",
        per_row: int | None = None,
        without_rows: Sequence[str] = (),
        earlier: Sequence[str] = (),
    ) -> list[Passage]:
        """The k best passages, best first.

        Args:
            question: In plain words.
            k: How many at most.
            where: Conditions that every passage meets.
            mode: What is searched; None = hybrid where there are vectors, else sparse.
            expand: `parts` = several sentences are also asked one by one; `feedback` = and with the terms of what was
                found; `none` = as it stands.
            per_row: Passages of one document at most; None = any number.
            without_rows: Documents to leave out.
            earlier: Questions of the same conversation that it leans on, newest first (`followups`).

        Raises:
            ParameterError: Dense search of an index without vectors.
            SourceError: The store or the embedding server went away.
        """
        chosen: Mode = mode or ("sparse" if self.embedder is None else "hybrid")
        if chosen != "sparse" and self.embedder is None:
            raise ParameterError("this index has no vectors to search", hint="Search it in the mode sparse.")
        depth = max(LEAST_DEPTH, DEEPER * k)
        whole = " ".join([*reversed(earlier), question])
        asked = [(1.0, whole, query_in_context(question, earlier, self.terms, self.stats))]
        more = [] if expand == "none" else parts_of(question)
        more += [] if self.reword is None else self.reword(whole)
        asked += [(PART_WEIGHT, words, self.terms.query(words)) for words in more]
        rankings: list[tuple[float, list[Hit]]] = []
        for weight, words, query in asked:
            if chosen != "dense":
                rankings += self._by_words(query, weight, depth, where, tuple(without_rows), expand)
            if chosen != "sparse":
                rankings.append((weight, self._by_meaning(words, depth, where, tuple(without_rows))))
        found = _distinct(fuse(rankings) if len(rankings) > 1 else rankings[0][1], per_row)
        if self.reranker is not None:
            found = self._again(whole, found)
        return [passage_of(hit) for hit in found[:k]]

    def _by_words(
        self, query: Sparse, weight: float, depth: int, where: Sequence[Where], without: tuple[str, ...], expand: Expand
    ) -> list[tuple[float, list[Hit]]]:
        if not query.indices:
            return [(weight, [])]
        found = self.store.search(Search(TERMS, query, depth, where, without))
        out = [(weight, found)]
        wider = with_feedback(query, found, self.terms, self.stats) if expand == "feedback" else None
        if wider is not None:
            out.append((weight * FEEDBACK_WEIGHT, self.store.search(Search(TERMS, wider, depth, where, without))))
        return out

    def _by_meaning(self, words: str, depth: int, where: Sequence[Where], without: tuple[str, ...]) -> list[Hit]:
        assert self.embedder is not None
        vector = self.embedder.queries([words])[0]
        if not vector.any():
            return []
        return self.store.search(Search(DENSE, vector, depth, where, without))

    def _again(self, question: str, found: list[Hit]) -> list[Hit]:
        assert self.reranker is not None
        best = found[:RERANKED]
        scores = self.reranker.scores(question, [str(hit.payload["text"]) for hit in best])
        again = [Hit(hit.id, score, hit.payload) for hit, score in zip(best, scores, strict=True)]
        return sorted(again, key=lambda hit: -hit.score) + found[RERANKED:]


def passage_of(hit: Hit) -> Passage:
    """A hit as a passage."""
    said = hit.payload
    return Passage(
        id=hit.id, chunk_id=said["chunk_id"], row_id=said["row_id"], source=said["source"], title=said["title"],
        url=said["url"], text=said["text"], score=round(hit.score, 6), fields=dict(said.get(FIELDS) or {}),
    )  # fmt: skip


def _distinct(hits: Iterable[Hit], per_row: int | None) -> list[Hit]:
    """Without texts that came before, and without more than `per_row` of one document."""
    texts: set[str] = set()
    rows: dict[str, int] = {}
    out = []
    for hit in hits:
        text, row = " ".join(str(hit.payload["text"]).split()), str(hit.payload["row_id"])
        if text in texts or (per_row is not None and rows.get(row, 0) >= per_row):
            continue
        texts.add(text)
        rows[row] = rows.get(row, 0) + 1
        out.append(hit)
    return out
