"""Points, stores and an index of a small corpus for the tests of retrieval."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_server import QdrantServer
from retrieval_corpus import ROWS
from retrieval_doubles import DIMENSION, STORES, TEXTS, build_index, point_of

from corpusmith.models.retrieval.grounder import CorpusGrounder, open_grounder
from corpusmith.models.retrieval.server_store import ServerStore, open_client
from corpusmith.models.retrieval.store import StoredPoint, VectorStore
from corpusmith.store.dataset import StoredDataset


@pytest.fixture(scope="session")
def points() -> list[StoredPoint]:
    named = [{"author": "Ann Lee" if n % 2 else "Bob Ray", "date": 20200000 + n * 10_000} for n in range(len(TEXTS))]
    return [point_of(n, text, **named[n]) for n, text in enumerate(TEXTS)]


@pytest.fixture(params=["edge", "client", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path, qdrant: QdrantServer) -> Iterator[VectorStore]:
    """Each store that keeps the contract, empty."""
    over_http = request.param == "server"
    made = ServerStore(open_client(qdrant.url), "c", DIMENSION) if over_http else STORES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def qdrant() -> Iterator[QdrantServer]:
    """A Qdrant server that holds nothing."""
    with QdrantServer() as server:
        yield server


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    """The corpus of `retrieval_corpus` as an index of words and latent semantic analysis."""
    return build_index(tmp_path_factory.mktemp("index"), ROWS, embedder="lsa", questions=40)


@pytest.fixture(scope="session")
def grounder(index: StoredDataset) -> Iterator[CorpusGrounder]:
    """That index, open."""
    opened = open_grounder(index)
    yield opened
    opened.close()
