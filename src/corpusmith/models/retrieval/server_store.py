"""A collection on a Qdrant server, behind the contract of `store`. Whole indexes are swapped by an alias.

Every state of an index is a collection of its own. It is marked ready once it is complete, and only then does the alias
move to it, in one request (`server_names`): a reader sees the old index or the new one, never a mix.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError
from corpusmith.models.retrieval.extra import need_retrieval_libraries
from corpusmith.models.retrieval.fields import FieldInfo
from corpusmith.models.retrieval.server_names import READY, moves, operations
from corpusmith.models.retrieval.store import DENSE, DIGEST, FIELDS, TERMS, Hit, Search, StoredPoint, Where, ranked
from corpusmith.models.retrieval.terms import Sparse

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_PAGE = 1024
TIMEOUT_S = 20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class CollectionGoneError(SourceError):
    """The server has no such collection, or it is not complete."""


def open_client(url: str, api_key: SecretStr | str | None = None, timeout_s: int = TIMEOUT_S) -> QdrantClient:
    """A client for the server at `url`; nothing is asked of it yet.

    Raises:
        ParameterError: It is no http address.
        PreconditionError: The package qdrant-client is not installed.
    """
    need_retrieval_libraries("qdrant_client")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ParameterError(f"{url!r} is no address of a Qdrant server", hint="Give one like http://localhost:6333.")
    from qdrant_client import QdrantClient

    key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    with warnings.catch_warnings():
        if parts.hostname in LOOPBACK:  # a key over plain http is nobody else's business there
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantClient(url=url, api_key=key, timeout=timeout_s, check_compatibility=False)


def server_name(url: str) -> str:
    """What to call a server in messages: its address, without a user or password that it may hold."""
    parts = urlsplit(url)
    return f"the Qdrant server {parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()}"


class ServerStore:
    """One collection.

    Args:
        client: Open client; closed with the store.
        collection: Its name.
        dimension: Numbers of an embedding; None = the index has none.
        where: What to call the server in messages.
        make: Whether to make the collection where it is not there.

    Raises:
        SourceError: The server cannot be reached, or it refuses.
        PreconditionError: The collection is there, for embeddings of another dimension.
    """

    def __init__(
        self, client: QdrantClient, collection: str, dimension: int | None, where: str = "", *, make: bool = True
    ) -> None:
        self.client, self.collection, self.dimension = client, collection, dimension
        self.where = where or "the Qdrant server"
        self._read = collection
        if make:
            self.make()

    def make(self) -> None:
        """Make the collection where it is not there.

        Raises:
            SourceError: The server cannot be reached, or it refuses.
            PreconditionError: It is there, for embeddings of another dimension.
        """
        client, collection, dimension = self.client, self.collection, self.dimension
        with self._told():
            if not client.collection_exists(collection):
                _create(client, collection, dimension)
            found = client.get_collection(collection).config.params.vectors
        named = found.get(DENSE) if isinstance(found, Mapping) else None
        size = None if named is None else named.size
        if size != dimension:
            raise PreconditionError(
                f"the collection {collection} holds embeddings of {size or 0} numbers, the index has {dimension or 0}",
                hint="Give the index another name on the server.",
            )

    def index_fields(self, fields: Mapping[str, FieldInfo]) -> None:
        """Let the server index what is filtered on."""
        from qdrant_client.models import PayloadSchemaType

        for name, info in fields.items():
            kind = PayloadSchemaType.INTEGER if info.kind == "date" else PayloadSchemaType.KEYWORD
            with self._told():
                self.client.create_payload_index(self.collection, f"{FIELDS}.{name}", kind)

    def upsert(self, points: Sequence[StoredPoint]) -> None:
        """Put points in; one that is there already is replaced."""
        from qdrant_client.models import PointStruct, SparseVector

        made = []
        for point in points:
            sparse = SparseVector(indices=list(point.terms.indices), values=list(point.terms.values))
            vector: dict[str, Any] = {TERMS: sparse}
            if point.dense is not None:
                vector[DENSE] = point.dense.tolist()
            made.append(PointStruct(id=point.id, vector=vector, payload=dict(point.payload)))
        with self._told():
            self.client.upsert(self.collection, made, wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""
        from qdrant_client.models import PointIdsList

        with self._told():
            self.client.delete(self.collection, PointIdsList(points=list(ids)), wait=True)

    def digests(self) -> dict[str, str]:
        """Id to digest of every point."""
        out: dict[str, str] = {}
        offset: Any = None
        while True:
            with self._told():
                page, offset = self.client.scroll(
                    self.collection, limit=_PAGE, offset=offset, with_payload=[DIGEST], with_vectors=False
                )
            out |= {str(record.id): str((record.payload or {}).get(DIGEST, "")) for record in page}
            if offset is None:
                return out

    def count(self) -> int:
        """How many points there are."""
        with self._told():
            return int(self.client.count(self.collection, exact=True).count)

    def search(self, search: Search) -> list[Hit]:
        """The best points, best first."""
        from qdrant_client.models import SparseVector

        vector: Any = search.vector
        if isinstance(vector, Sparse):
            vector = SparseVector(indices=list(vector.indices), values=list(vector.values))
        else:
            vector = vector.tolist()
        with self._told():
            found = self.client.query_points(
                self._read, query=vector, using=search.using, limit=search.limit, query_filter=_filter(search)
            )
        return ranked(Hit(str(point.id), float(point.score), point.payload or {}) for point in found.points)

    def aliases(self) -> dict[str, str]:
        """Alias to collection, of the whole server."""
        with self._told():
            return {found.alias_name: found.collection_name for found in self.client.get_aliases().aliases}

    def read_when_ready(self) -> bool:
        """Search the collection by the name that it has while it is complete. Returns whether it is."""
        self._read = self.collection + READY
        return self.aliases().get(self._read) == self.collection

    def finish(self) -> None:
        """Mark the collection as complete."""
        self._change({self.collection + READY: self.collection})

    def take_over(self, alias: str) -> list[str]:
        """Make this collection the live one of `alias`, in one request. Returns the collections deleted for it."""
        changes, gone = moves(self.aliases(), alias, self.collection)
        if changes:
            self._change(changes)
        named = {of for name, of in self.aliases().items() if not name.endswith(READY)} if gone else set()
        gone = [name for name in gone if name not in named]
        with self._told():
            for name in gone:
                self.client.delete_collection(name)
        return gone

    def _change(self, changes: Mapping[str, str | None]) -> None:
        there = self.aliases()
        with self._told():
            self.client.update_collection_aliases(operations(changes, there))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with server_errors(self.where):
            yield


@contextmanager
def server_errors(where: str) -> Iterator[None]:
    """Turn the client's errors into ours.

    Raises:
        SourceError: The server cannot be reached or refuses.
    """
    import httpx
    from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

    try:
        yield
    except (ResponseHandlingException, httpx.TransportError, ConnectionError) as error:
        raise SourceError(
            f"{where} cannot be reached: {str(error)[:200] or type(error).__name__}",
            hint="Start it, check its address, or leave it out: the embedded store needs no server.",
        ) from error
    except UnexpectedResponse as error:
        raise _refused(where, error.status_code or 0, error.reason_phrase, error.content) from error
    except ApiException as error:
        raise SourceError(f"{where} refuses: {str(error)[:200]}", hint="See the server's log.") from error


def _refused(where: str, status: int, reason: str, body: bytes) -> SourceError:
    try:
        said = str(json.loads(body)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        said = body.decode("utf-8", "replace").strip()
    message = f"{where} answers {status} {reason}" + (f": {said[:200]}" if said else "")
    if status == 404 and "doesn't exist" in said:
        return CollectionGoneError(message, hint="Open the index again: it is filled from its artifact.")
    if status in (401, 403):
        return SourceError(message, hint="Set QDRANT_API_KEY to a key that may write there.")
    return SourceError(message, hint="See the server's log.")


def _create(client: QdrantClient, collection: str, dimension: int | None) -> None:
    from qdrant_client.http.exceptions import UnexpectedResponse
    from qdrant_client.models import Distance, Modifier, SparseVectorParams, VectorParams

    dense: dict[str, Any] = {} if dimension is None else {DENSE: VectorParams(size=dimension, distance=Distance.COSINE)}
    sparse: dict[str, SparseVectorParams] = {TERMS: SparseVectorParams(modifier=Modifier.IDF)}
    try:
        client.create_collection(collection, vectors_config=dense, sparse_vectors_config=sparse)
    except UnexpectedResponse as error:
        if error.status_code != 409:  # else somebody made it meanwhile
            raise


def _filter(search: Search) -> Any | None:
    from qdrant_client.models import FieldCondition, Filter, MatchAny, MatchExcept, Range

    def condition(where: Where) -> Any:
        key = f"{FIELDS}.{where.field}"
        if where.any_of:
            return FieldCondition(key=key, match=MatchAny(any=list(where.any_of)))
        return FieldCondition(key=key, range=Range(gte=where.low, lte=where.high))

    must: list[Any] = [condition(where) for where in search.where]
    if search.without_rows:
        must.append(FieldCondition(key="row_id", match=MatchExcept(**{"except": list(search.without_rows)})))
    return Filter(must=must) if must else None
