"""An index artifact on a Qdrant server: complete or not there, filled again when it is gone, asked through the API."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_caller import call
from qdrant_server import QdrantServer
from served_doubles import PlainModel

from corpusmith.core.errors import SourceError
from corpusmith.models.retrieval.grounder import CorpusGrounder, open_grounder
from corpusmith.models.retrieval.opening import IndexAccess, load_server, manifest_of_index, on_server, open_index
from corpusmith.models.retrieval.server_index import ServerIndex
from corpusmith.models.retrieval.server_store import CollectionGoneError
from corpusmith.models.retrieval.store import TERMS, Search
from corpusmith.models.retrieval.terms import Sparse
from corpusmith.models.serving.api.app import create_app
from corpusmith.models.serving.plain import FixedFleet, Listed, OpenGate
from corpusmith.store.dataset import StoredDataset

ASK = "When is a loaf of bread done baking?"


@pytest.fixture
def filled(index: StoredDataset, qdrant: QdrantServer) -> Iterator[ServerIndex]:
    found = load_server(index, qdrant.url)
    yield found
    found.close()


@pytest.fixture
def served(index: StoredDataset, qdrant: QdrantServer) -> Iterator[CorpusGrounder]:
    opened = open_grounder(index, IndexAccess(store_url=qdrant.url))
    yield opened
    opened.close()


def test_a_server_answers_as_the_embedded_copy_does(
    index: StoredDataset, grounder: CorpusGrounder, served: CorpusGrounder
) -> None:
    for question in (ASK, "Who built the stone bridge in 2022?", "What does Cy Doe say of pendulums?"):
        ours, theirs = grounder.find(question, 4), served.find(question, 4)
        assert [passage.chunk_id for passage in theirs.passages] == [passage.chunk_id for passage in ours.passages]
        assert (theirs.asked, theirs.speaks) == (ours.asked, ours.speaks)


def test_what_is_complete_is_not_filled_again(index: StoredDataset, qdrant: QdrantServer, filled: ServerIndex) -> None:
    written = qdrant.asked["upsert"]
    load_server(index, qdrant.url).close()
    assert qdrant.asked["upsert"] == written
    assert filled.complete()
    assert set(qdrant.state.aliases) == {f"{filled.store.collection}.ready"}


def test_an_open_index_whose_collection_was_removed_is_filled_again(
    qdrant: QdrantServer, served: CorpusGrounder
) -> None:
    before = served.ground([{"role": "user", "content": ASK}])
    (collection,) = qdrant.state.collections
    qdrant.state.drop(collection)
    assert served.ground([{"role": "user", "content": ASK}]) == before
    assert set(qdrant.state.collections[collection].indexed) == {"fields.author", "fields.date", "fields.platform"}


def test_half_a_collection_is_searched_by_nobody(
    index: StoredDataset, qdrant: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpusmith.models.retrieval.store.BATCH", 5)
    qdrant.dies_at["upsert"] = 2
    with pytest.raises(SourceError, match="cannot be reached"):
        load_server(index, qdrant.url)
    with qdrant.again() as server:
        half = on_server(index, server.url)
        assert not half.complete()
        assert half.store.count() == 5
        with pytest.raises(CollectionGoneError):
            half.store.search(Search(TERMS, Sparse((1,), (1.0,)), 3))
        assert server.state.aliases == {}
        opened = open_index(index, IndexAccess(store_url=server.url))
        assert opened.retriever.store.count() == opened.manifest.chunks
        opened.close()
        half.close()


def test_several_that_fill_at_once_leave_one_whole_collection(index: StoredDataset, qdrant: QdrantServer) -> None:
    failed: list[BaseException] = []

    def fill() -> None:
        try:
            load_server(index, qdrant.url).close()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    (collection,) = qdrant.state.collections.values()
    assert len(collection.points) == manifest_of_index(index).chunks


def test_the_way_words_are_counted_makes_another_collection(index: StoredDataset) -> None:
    manifest = manifest_of_index(index)
    others = [{"language": "de"}, {"titles": False}, {"avg_len": 7.0}, {"content": "0" * 32}, {"alias": "other"}]
    names = {manifest.model_copy(update=other).collection for other in others}
    assert len(names | {manifest.collection}) == len(others) + 1


def test_the_api_says_503_while_the_server_is_away_and_goes_on_when_it_is_back(
    qdrant: QdrantServer, served: CorpusGrounder
) -> None:
    model = PlainModel("news@1")
    model.context = 4096
    app = create_app(FixedFleet({"news": model}), OpenGate(), Listed(), {"*": served})

    def ask() -> tuple[int, Any]:
        head, *bodies = asyncio.run(call(app, json.dumps({"question": ASK}).encode(), path="/v1/rag"))
        return head["status"], json.loads(b"".join(one["body"] for one in bodies))

    status, before = ask()
    assert (status, before["citations"][0]["row_id"]) == (200, "in.jsonl#2")
    qdrant.dies_at["query"] = qdrant.asked["query"] + 1
    for _ in range(2):  # hung up on, then nobody listens
        status, body = ask()
        assert status == 503
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert (body["error"]["type"], body["error"]["code"]) == ("server_error", "source_unavailable")
        assert f"{qdrant.url} cannot be reached" in body["error"]["message"]
    with qdrant.again():
        status, after = ask()
    assert status == 200
    assert after["citations"] == before["citations"]
