"""Points, stores and a small corpus for the tests of retrieval."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.embedding import unit
from corpusmith.models.retrieval.server_store import ServerStore
from corpusmith.models.retrieval.store import StoredPoint, VectorStore
from corpusmith.models.retrieval.terms import Terms

DIMENSION = 8
TEXTS = [
    "The heron waits beside the reeds at dawn and eats nine frogs.",
    "The old stone bridge at the edge of Aldwick crosses the river Tamble.",
    "A guild of masons built the bridge of granite in the year of the flood.",
    "Frogs sing at night; the heron hears them and walks to the pond.",
    "Taxpayers in seven provinces fund every toll road and every bridge.",
    "Bread is baked of flour, water, salt and a sour starter.",
]


def vector_of(n: int) -> np.ndarray:
    return unit(np.random.default_rng(n).standard_normal((1, DIMENSION)))[0]


def point_of(n: int, text: str, **fields: str | int) -> StoredPoint:
    id_ = str(uuid.UUID(int=n + 1))
    payload = {"chunk_id": f"a#{n}~chunk.0", "row_id": f"a#{n}", "source": "a", "title": f"Title {n}", "url": "",
               "text": text, "fields": fields, "digest": str(hash(text) % 997)}  # fmt: skip
    return StoredPoint(id_, Terms("en", 8.0).document(text), vector_of(n), payload)


@pytest.fixture(scope="session")
def points() -> list[StoredPoint]:
    named = [{"author": "Ann Lee" if n % 2 else "Bob Ray", "date": 20200000 + n * 10_000} for n in range(len(TEXTS))]
    return [point_of(n, text, **named[n]) for n, text in enumerate(TEXTS)]


@pytest.fixture(params=["edge", "client"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    """Each store that keeps the contract, empty."""
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def _client(_folder: Path) -> VectorStore:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ServerStore(QdrantClient(":memory:"), "c", DIMENSION)


STORES: dict[str, Callable[[Path], VectorStore]] = {
    "edge": lambda folder: EdgeStore(folder / "shard", DIMENSION),
    "client": _client,
}
