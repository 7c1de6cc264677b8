"""A Qdrant server over HTTP: refused keys, a server that dies and comes back, aliases that move under readers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest
from qdrant_server import QdrantServer
from retrieval_doubles import DIMENSION, point_of

from corpusmith.core.errors import PreconditionError, SourceError
from corpusmith.models.retrieval.server_names import former, history, moves
from corpusmith.models.retrieval.server_store import CollectionGoneError, ServerStore, open_client
from corpusmith.models.retrieval.store import TERMS, Search, StoredPoint
from corpusmith.models.retrieval.terms import Sparse, Terms

ID = str(uuid.UUID(int=1))
FROG = Search(TERMS, Terms("en").query("a frog"), 5)


@pytest.fixture
def made(qdrant: QdrantServer, points: list[StoredPoint]) -> Iterator[ServerStore]:
    store = ServerStore(open_client(qdrant.url), "c", DIMENSION, qdrant.url)
    store.upsert(points)
    yield store
    store.close()


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_key_that_is_missing_or_wrong_is_told_by_the_setting_that_holds_it(key: str | None) -> None:
    with QdrantServer(key="right") as server:
        with pytest.raises(SourceError, match=r"answers 401 Unauthorized: .*API key") as caught:
            ServerStore(open_client(server.url, key), "c", None)
        assert "QDRANT_API_KEY" in caught.value.hint
        assert "wrong" not in str(caught.value)
        store = ServerStore(open_client(server.url, "right"), "c", None)
        assert store.count() == 0
        store.close()


def test_what_the_server_says_is_passed_on(qdrant: QdrantServer, made: ServerStore) -> None:
    with pytest.raises(SourceError, match=r"answers 400 .*expected dim: 8, got 3"):
        made.search(Search("dense", point_of(1, "x").dense[:3], 3))  # type: ignore[index]
    with pytest.raises(PreconditionError, match="embeddings of 8 numbers"):
        ServerStore(open_client(qdrant.url), "c", None)
    made.client.delete_collection("c")
    with pytest.raises(CollectionGoneError, match="doesn't exist"):
        made.search(FROG)


def test_a_server_that_dies_in_a_search_and_comes_back(qdrant: QdrantServer, made: ServerStore) -> None:
    before = made.search(FROG)
    qdrant.dies_at["query"] = 2
    for _ in range(2):  # hung up on, then nobody listens
        with pytest.raises(SourceError, match=f"{qdrant.url} cannot be reached"):
            made.search(FROG)
    with qdrant.again():
        assert made.search(FROG) == before


def test_two_that_make_one_collection_at_once_do_not_hinder_each_other(qdrant: QdrantServer) -> None:
    failed: list[BaseException] = []
    start = threading.Barrier(4)

    def make() -> None:
        client = open_client(qdrant.url)
        client.collection_exists = lambda _name: start.wait() < 0  # type: ignore[method-assign]  # all see none
        try:
            ServerStore(client, "c", DIMENSION).close()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(qdrant.state.collections) == ["c"]


def test_names_move_down_a_line_of_three() -> None:
    aliases: dict[str, str] = {"other": "d"}
    dropped = []
    for collection in ("a", "b", "b", "c", "d", "b"):
        changes, gone = moves(aliases, "x", collection)
        aliases |= {name: of for name, of in changes.items() if of is not None}
        dropped.append(gone)
    assert history(aliases, "x") == ["b", "d", "c"]
    assert [aliases[former("x", n)] for n in range(3)] == ["b", "d", "c"]
    assert dropped == [[], [], [], [], ["a"], []]
    assert moves(aliases, "x", "b") == ({}, [])


def test_the_two_collections_before_the_live_one_are_kept(qdrant: QdrantServer, points: list[StoredPoint]) -> None:
    client = open_client(qdrant.url)
    gone = []
    for n in range(4):
        store = ServerStore(client, f"x-{n}", DIMENSION)
        store.upsert(points[: n + 1])
        store.finish()
        gone.append(store.take_over("x"))
    assert gone == [[], [], [], ["x-0"]]
    assert sorted(qdrant.state.collections) == ["x-1", "x-2", "x-3"]
    assert client.count("x").count == 4
    assert client.count("x.1").count == 3
    back = ServerStore(client, "x-1", DIMENSION)
    assert back.take_over("x") == []
    assert [qdrant.state.aliases[name] for name in ("x", "x.1", "x.2")] == ["x-1", "x-3", "x-2"]
    client.close()


def test_a_collection_that_another_name_needs_is_not_deleted(qdrant: QdrantServer) -> None:
    client = open_client(qdrant.url)
    ServerStore(client, "x-0", DIMENSION).take_over("theirs")
    for n in range(4):
        assert ServerStore(client, f"x-{n}", DIMENSION).take_over("x") == []
    assert "x-0" in qdrant.state.collections
    client.close()


def test_readers_of_an_alias_see_the_old_index_or_the_new_never_none_nor_both(qdrant: QdrantServer) -> None:
    """Every collection holds 40 points of its own number; a reader counts and finds, while the alias goes on."""
    client = open_client(qdrant.url)
    word = Terms("en").query("shared")

    def fill(n: int) -> ServerStore:
        store = ServerStore(client, f"x-{n}", DIMENSION)
        store.upsert([point_of(at, f"shared text {n}", number=n) for at in range(40)])
        store.finish()
        return store

    fill(0).take_over("x")
    stop, wrong, seen = threading.Event(), list[object](), set[int]()

    def read() -> None:
        mine = open_client(qdrant.url)
        store = ServerStore(mine, "x", DIMENSION, make=False)
        while not stop.is_set():
            try:
                numbers = [hit.payload["fields"]["number"] for hit in store.search(Search(TERMS, word, 50))]
            except Exception as error:  # noqa: BLE001 - shown by the test
                wrong.append(error)
                break
            seen.update(numbers)
            if len(numbers) != 40 or len(set(numbers)) != 1:
                wrong.append(numbers)
        mine.close()

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(1, 8):
        fill(n).take_over("x")
    while 7 not in seen and not wrong:
        pass
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert sorted(qdrant.state.collections) == ["x-5", "x-6", "x-7"]
    client.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", "/collections/c", {"vectors": {"dense": {"size": 8, "distance": "Cosine"}}}, 409, "already exists!"),
        ("PUT", "/collections/d", {"vectors": {"dense": {"size": 8, "distance": "Near"}}}, 400, "Format error"),
        ("PUT", "/collections/d", {"vektors": {}}, 400, "Format error"),
        ("PUT", "/collections/a:b", {}, 422, 'cannot contain ":"'),
        ("POST", "/collections/none/points/count", {}, 404, "Collection `none` doesn't exist!"),
        ("POST", "/collections/c/points/count", {"exactly": True}, 400, "Format error"),
        ("POST", "/collections/c/points/scroll", {"limit": 0}, 422, "must be 1 or larger"),
        (
            "PUT",
            "/collections/c/points?wait=true",
            {"points": [{"id": "x", "vector": {}}]},
            400,
            "not a valid point ID",
        ),
        (
            "PUT",
            "/collections/c/points?wait=true",
            {"points": [{"id": ID, "vector": {"v": [1]}}]},
            400,
            "name error: v",
        ),
        ("POST", "/collections/c/points/query", {"query": [1.0, 2.0], "using": "dense"}, 400, "expected dim: 8, got 2"),
        ("POST", "/collections/c/points/query", {"query": [1.0], "using": "no"}, 400, "name error: no"),
    ],
)
def test_the_test_server_is_strict(
    qdrant: QdrantServer, made: ServerStore, method: str, path: str, body: object, status: int, said: str
) -> None:
    found = httpx.request(method, qdrant.url + path, json=body)
    assert found.status_code == status
    assert said in found.json()["status"]["error"]
    assert made.search(Search(TERMS, Sparse((1,), (1.0,)), 1)) == []
