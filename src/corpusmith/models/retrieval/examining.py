"""What an index finds: its own questions (`pairs`) asked of a copy that lacks what is asked. `ops.grading` grades it.

The copy is a store of its own in a scratch folder, searched by the same code; only the chunks that differ are embedded
anew, and what is fitted on the corpus (`lsa`) is fitted again on the copy. This also sets the index's
threshold of evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpusmith.models.retrieval.chunks import Chunk
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.embedding import Embedder, Vectors
from corpusmith.models.retrieval.evidence import READ, calibrate, evidence_for
from corpusmith.models.retrieval.index_file import Evidence
from corpusmith.models.retrieval.lsa import LsaEmbedder
from corpusmith.models.retrieval.pairs import Exam, Pair
from corpusmith.models.retrieval.points import points_of
from corpusmith.models.retrieval.search import Expand, Mode, Retriever
from corpusmith.models.retrieval.store import DENSE, Search, sync
from corpusmith.models.retrieval.terms import Terms, count_terms

PLACES = 10


@dataclass(frozen=True)
class Answered:
    """What came of an exam.

    Attributes:
        found: Mode to the ids found for each pair, best first, in the exam's order.
        evidence: The index's threshold.
    """

    found: dict[Mode, list[list[str]]]
    evidence: Evidence


@dataclass(frozen=True)
class Indexed:
    """Everything an index is made of, in memory: n chunks, their vectors or None."""

    chunks: Sequence[Chunk]
    terms: Terms
    titles: bool
    embedder: Embedder | None
    vectors: Vectors | None


def ask_exam(
    indexed: Indexed, exam: Exam, scratch: Path, *, expand: Expand = "parts", check: Callable[[], None] = lambda: None
) -> Answered:
    """Ask an exam of an index.

    Args:
        indexed: The index.
        exam: Its questions.
        scratch: A folder for the copy.
        expand: As questions will be asked.
        check: Called now and then; raises to stop.
    """
    with exam_copy(indexed, exam, scratch) as retriever:
        return _ask(retriever, exam, expand, check)


@contextmanager
def exam_copy(indexed: Indexed, exam: Exam, scratch: Path) -> Iterator[Retriever]:
    """The copy of an index that lacks what an exam asks, to be searched."""
    shown = [exam.shown(chunk) for chunk in indexed.chunks]
    texts = [chunk.indexed(indexed.titles) for chunk in shown]
    terms, stats = count_terms(indexed.terms, texts)
    embedder, vectors = indexed.embedder, indexed.vectors
    if isinstance(embedder, LsaEmbedder):
        embedder = LsaEmbedder.fit(terms, stats, texts, embedder.identity.dimension)
        vectors = embedder.passages(texts)
    elif embedder is not None and vectors is not None:
        at = [place for place, chunk in enumerate(indexed.chunks) if chunk.id in exam.texts]
        vectors = vectors.copy()
        if at:
            vectors[at] = embedder.passages([shown[place].indexed(False) for place in at])
    dimension = None if vectors is None else int(vectors.shape[1])
    store = EdgeStore(scratch / "exam", dimension, anew=True)
    with closing(store):
        sync(store, points_of(shown, terms, indexed.titles, vectors), {})
        yield Retriever(store, terms, stats, embedder)


def _ask(retriever: Retriever, exam: Exam, expand: Expand, check: Callable[[], None]) -> Answered:
    modes: tuple[Mode, ...] = ("sparse",) if retriever.embedder is None else ("sparse", "dense", "hybrid")
    found: dict[Mode, list[list[str]]] = {mode: [] for mode in modes}
    there, away, near = [], [], []
    for pair in exam.pairs:
        check()
        for mode in modes:
            passages = retriever.search(pair.question, PLACES, mode=mode, expand=expand)
            found[mode].append([passage.id for passage in passages])
        there.append(evidence_for(retriever, retriever.terms.query(pair.question), passages))
        away.append(evidence_without(retriever, pair, expand))
        if retriever.embedder is not None and retriever.embedder.identity.kind != "lsa":
            near.append(nearest(retriever, pair.question, (pair.row_id,)))
    return Answered(found, calibrate(there, away, near))


def nearest(retriever: Retriever, question: str, without_rows: tuple[str, ...] = ()) -> float:
    """The cosine of the passage nearest to a question; 0 without vectors."""
    if retriever.embedder is None:
        return 0.0
    vector = retriever.embedder.queries([question])[0]
    hits = retriever.store.search(Search(DENSE, np.asarray(vector), 1, (), without_rows)) if vector.any() else []
    return hits[0].score if hits else 0.0


def evidence_without(retriever: Retriever, pair: Pair, expand: Expand = "parts") -> float:
    """The evidence for a pair's question when its document is left out."""
    rows = (pair.row_id,)
    passages = retriever.search(pair.question, READ, expand=expand, without_rows=rows)
    return evidence_for(retriever, retriever.terms.query(pair.question), passages, without_rows=rows)
