"""The contract of a vector store, held to by the embedded one and by the client's, and that both find the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_server import QdrantServer
from retrieval_doubles import DIMENSION, STORES, point_of, vector_of

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.server_store import ServerStore, open_client
from corpusmith.models.retrieval.store import DENSE, TERMS, Search, StoredPoint, VectorStore, Where, sync
from corpusmith.models.retrieval.terms import Sparse, Terms

Points = list[StoredPoint]


def rows(store: VectorStore, question: str, **more: Any) -> list[str]:
    found = store.search(Search(TERMS, Terms("en").query(question), 10, **more))
    return [hit.payload["row_id"] for hit in found]


def test_words_are_found_by_their_stems_rare_ones_first(store: VectorStore, points: Points) -> None:
    store.upsert(points)
    assert rows(store, "a frog and herons") == ["a#3", "a#0"]
    assert rows(store, "bridges of granite")[0] == "a#2"
    assert rows(store, "xylophone") == []


def test_vectors_are_found_by_cosine(store: VectorStore, points: Points) -> None:
    store.upsert(points)
    found = store.search(Search(DENSE, vector_of(4), 3))
    assert found[0].payload["row_id"] == "a#4"
    assert found[0].score == pytest.approx(1.0, abs=1e-4)
    assert len(found) == 3


def test_the_same_point_twice_is_there_once(store: VectorStore, points: Points) -> None:
    store.upsert(points)
    store.upsert(points[:3])
    assert store.count() == len(points)
    assert store.digests() == {point.id: point.payload["digest"] for point in points}


def test_sync_adds_replaces_deletes_and_leaves_the_rest_alone(store: VectorStore, points: Points) -> None:
    assert sync(store, points).added == len(points)
    changed = replace(points[1], payload={**points[1].payload, "digest": "other", "title": "New"})
    done = sync(store, [points[0], changed, *points[3:], point_of(50, "A new text on otters.")])
    assert (done.added, done.replaced, done.removed, done.kept) == (1, 1, 1, 4)
    assert points[2].id not in store.digests()
    assert rows(store, "masons") == []
    assert rows(store, "otters") == ["a#50"]
    assert sync(store, []).removed == len(points)
    assert store.count() == 0


def test_filters_by_value_by_span_and_without_rows(store: VectorStore, points: Points) -> None:
    store.upsert(points)
    assert rows(store, "bridge", where=(Where("author", any_of=("Ann Lee",)),)) == ["a#1"]
    assert set(rows(store, "bridge", where=(Where("author", any_of=("Ann Lee", "Bob Ray")),))) == {"a#1", "a#2", "a#4"}
    assert rows(store, "bridge", where=(Where("date", low=20220000, high=20229999),)) == ["a#2"]
    assert rows(store, "bridge", where=(Where("date", low=20230000),)) == ["a#4"]
    assert rows(store, "bridge", where=(Where("author", any_of=("Nobody",)),)) == []
    assert "a#4" not in rows(store, "bridge", without_rows=("a#4",))


@pytest.mark.parametrize("over_http", [False, True])
def test_eight_writers_at_once_lose_nothing(over_http: bool, tmp_path: Path, qdrant: QdrantServer) -> None:
    def opened() -> VectorStore:
        if over_http:  # the client's connections are shared by the threads, as those of one process are
            return ServerStore(open_client(qdrant.url), "c", DIMENSION)
        return EdgeStore(tmp_path / "shard", DIMENSION)

    store = opened()
    points = [point_of(n, f"text number {n} of a writer") for n in range(8 * 60)]
    failed: list[BaseException] = []

    def write(at: int) -> None:
        try:
            for start in range(at * 60, at * 60 + 60, 10):
                store.upsert(points[start : start + 10])
                store.search(Search(TERMS, Sparse(points[start].terms.indices[:2], (1.0, 1.0)), 3))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert store.count() == 480
    store.close()
    again = opened()
    assert again.digests() == {point.id: point.payload["digest"] for point in points}
    again.close()


def test_the_stores_find_the_same(tmp_path: Path, qdrant: QdrantServer) -> None:
    rng = np.random.default_rng(7)
    words = [f"word{n}" for n in range(300)]
    points = [point_of(n, " ".join(rng.choice(words, 30)), author=f"a{n % 3}") for n in range(300)]
    edge, client = (STORES[name](tmp_path) for name in ("edge", "client"))
    server = ServerStore(open_client(qdrant.url), "c", DIMENSION)
    for store in (edge, client, server):
        sync(store, points)
    for n in range(25):
        query = Terms("en").query(" ".join(rng.choice(words, 5)))
        where = (Where("author", any_of=("a1",)),) if n % 2 else ()
        for search in (Search(TERMS, query, 12, where), Search(DENSE, vector_of(1000 + n), 12, where)):
            ours, *others = [store.search(search) for store in (edge, client, server)]
            level = round(ours[-1].score, 3)
            above = [{hit.id for hit in found if round(hit.score, 3) > level} for found in (ours, *others)]
            for theirs in others:
                assert [round(hit.score, 3) for hit in ours] == [round(hit.score, 3) for hit in theirs]
            assert above[0] == above[1] == above[2]
    for store in (edge, client, server):
        store.close()


def test_one_owner_of_a_folder_at_a_time(tmp_path: Path, points: Points) -> None:
    store = EdgeStore(tmp_path / "shard", DIMENSION)
    store.upsert(points)
    with pytest.raises(PreconditionError, match="open elsewhere"):
        EdgeStore(tmp_path / "shard", DIMENSION)
    store.close()
    with pytest.raises(PreconditionError, match="cannot be opened"):
        EdgeStore(tmp_path / "shard", DIMENSION + 1)
    again = EdgeStore(tmp_path / "shard", DIMENSION)
    assert again.count() == len(points)
    again.close()


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(ParameterError, match="no address"):
        open_client("localhost:6333")
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        ServerStore(open_client("http://127.0.0.1:9", timeout_s=2), "c", None)
    assert "embedded store needs no server" in caught.value.hint
