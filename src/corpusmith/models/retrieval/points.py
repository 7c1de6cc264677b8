"""Chunks as points of a store: their words, their vectors, what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corpusmith.models.retrieval.chunks import Chunk
from corpusmith.models.retrieval.embedding import Vectors
from corpusmith.models.retrieval.store import StoredPoint
from corpusmith.models.retrieval.terms import Terms


def points_of(chunks: Sequence[Chunk], terms: Terms, titles: bool, vectors: Vectors | None) -> Iterator[StoredPoint]:
    """One point per chunk, in order.

    Args:
        chunks: n chunks.
        terms: Cuts their texts into tokens.
        titles: Whether a chunk is also found by its document's title.
        vectors: float32[n, d], or None. A row of zeros is left out of the vectors: it is near to nothing.
    """
    for place, chunk in enumerate(chunks):
        vector = None if vectors is None else vectors[place]
        dense = vector if vector is not None and vector.any() else None
        yield StoredPoint(chunk.id, terms.document(chunk.indexed(titles)), dense, chunk.payload())
