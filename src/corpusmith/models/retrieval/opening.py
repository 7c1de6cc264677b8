"""An index artifact, opened to be searched.

The artifact itself is never written to: its chunks and vectors are loaded into a store. Embedded, that is a copy in the
workspace (`copies`), on a server a collection (`server_index`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from pydantic import SecretStr

from corpusmith.core.errors import NotFoundError, PreconditionError, SourceError
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.retrieval.chunks import read_chunks
from corpusmith.models.retrieval.copies import open_copy, sweep
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.embedding import Embedder, EmbedderIdentity, Vectors, same_embedder
from corpusmith.models.retrieval.encoder import FolderEncoder
from corpusmith.models.retrieval.endpoint import EndpointEmbedder, EndpointTerms
from corpusmith.models.retrieval.extra import need_retrieval_libraries
from corpusmith.models.retrieval.index_file import LSA, MANIFEST, STATS, VECTORS, IndexManifest
from corpusmith.models.retrieval.lsa import LsaEmbedder
from corpusmith.models.retrieval.points import points_of
from corpusmith.models.retrieval.reranking import CrossEncoder
from corpusmith.models.retrieval.search import Retriever
from corpusmith.models.retrieval.server_index import ServerIndex
from corpusmith.models.retrieval.server_store import ServerStore, open_client, server_name
from corpusmith.models.retrieval.store import StoredPoint, VectorStore, sync
from corpusmith.models.retrieval.terms import Terms, TermStats
from corpusmith.store.dataset import StoredDataset


@dataclass(frozen=True)
class IndexAccess:
    """Where and how an index is opened.

    Attributes:
        folder: Where copies of indexes go; None = `retrieval` in the index's own workspace.
        store_url: A Qdrant server to search instead of an embedded copy.
        store_key: Its key.
        openai: Address and key of the server that makes the vectors, where one did.
        encoder: Folder of the encoder, where it is no longer where the index was built with it.
        embedder: An open embedder, instead of opening the index's own.
        reranker: Folder of a cross-encoder.
        reword: Other wordings of a question, by a chat model.
    """

    folder: Path | None = None
    store_url: str | None = None
    store_key: SecretStr | None = None
    openai: HostedAccess = field(default_factory=HostedAccess)
    encoder: Path | None = None
    embedder: Embedder | None = None
    reranker: Path | None = None
    reword: Callable[[str], Sequence[str]] | None = None


@dataclass
class OpenIndex:
    """An index that can be searched; close it, or use it as a context."""

    id: str
    manifest: IndexManifest
    retriever: Retriever

    def close(self) -> None:
        """Let go of the store."""
        self.retriever.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def manifest_of_index(index: StoredDataset) -> IndexManifest:
    """What an artifact says of itself as an index.

    Raises:
        PreconditionError: It is none.
    """
    try:
        return IndexManifest.load(index.file(MANIFEST))
    except NotFoundError as error:
        raise PreconditionError(
            f"{index.id} is no index but a {index.record.kind}",
            hint=f"corpusmith tool run index --data {index.id[:12]}",
        ) from error


def open_index(index: StoredDataset, access: IndexAccess | None = None) -> OpenIndex:
    """Open an index.

    Raises:
        PreconditionError: It is none, it was built with another embedder, or the extra `retrieve` is missing.
        SourceError: A server cannot be reached, or the encoder is no longer there.
    """
    access = access or IndexAccess()
    need_retrieval_libraries("qdrant_edge")
    manifest = manifest_of_index(index)
    terms = Terms(manifest.language, manifest.avg_len)
    embedder = _embedder(index, manifest, terms, access)
    reranker = None if access.reranker is None else CrossEncoder(access.reranker)
    if access.store_url is not None:
        store: VectorStore = load_server(index, access.store_url, access.store_key)
    else:
        store = _embedded(index, manifest, access)
    stats = TermStats.load(index.file(STATS))
    return OpenIndex(index.id, manifest, Retriever(store, terms, stats, embedder, reranker, access.reword))


def on_server(index: StoredDataset, url: str, key: SecretStr | None = None, client: Any = None) -> ServerIndex:
    """The index's place on a server; nothing is asked of it yet.

    Args:
        index: The artifact.
        url: The server's address.
        key: Its key.
        client: An open client instead.

    Raises:
        ParameterError: It is no http address.
        PreconditionError: The artifact is no index.
    """
    manifest, opened = manifest_of_index(index), client or open_client(url, key)
    store = ServerStore(opened, manifest.collection, manifest.dimension, server_name(url), make=False)
    return ServerIndex(store, manifest, partial(_points, index, manifest))


def load_server(index: StoredDataset, url: str, key: SecretStr | None = None, client: Any = None) -> ServerIndex:
    """The index's place on a server, filled if it is not complete there. Arguments as of `on_server`.

    Raises:
        SourceError: It cannot be reached, or refuses.
    """
    found = on_server(index, url, key, client)
    try:
        found.fill()
    except BaseException:
        found.close()
        raise
    return found


def _points(index: StoredDataset, manifest: IndexManifest) -> Iterator[StoredPoint]:
    chunks = [chunk for table in index.batches() for chunk in read_chunks(table)]
    terms = Terms(manifest.language, manifest.avg_len)
    return points_of(chunks, terms, manifest.titles, vectors_of(index, manifest))


def vectors_of(index: StoredDataset, manifest: IndexManifest) -> Vectors | None:
    """The index's vectors, read as they are needed; None = it has none.

    Raises:
        PreconditionError: They do not fit the chunks.
    """
    if manifest.dimension is None:
        return None
    vectors: Vectors = np.load(index.file(VECTORS), mmap_mode="r", allow_pickle=False)
    if vectors.shape != (manifest.chunks, manifest.dimension):
        raise PreconditionError(
            f"index {index.id} holds {vectors.shape} numbers for {manifest.chunks} chunks", hint="Build it anew."
        )
    return vectors


def _embedded(index: StoredDataset, manifest: IndexManifest, access: IndexAccess) -> EdgeStore:
    artifacts = index.folder.parent
    root = access.folder or artifacts.parent / "retrieval"
    store = open_copy(root / index.id, manifest.dimension, lambda made: sync(made, _points(index, manifest)))
    if access.folder is None:
        sweep(root, lambda id_: (artifacts / id_).is_dir())
    return store


def _embedder(index: StoredDataset, manifest: IndexManifest, terms: Terms, access: IndexAccess) -> Embedder | None:
    identity = manifest.embedder
    if access.embedder is not None:
        same_embedder(identity, access.embedder.identity)
        return access.embedder
    if identity.kind == "none":
        return None
    found: Embedder
    if identity.kind == "lsa":
        found = LsaEmbedder.load(index.file(LSA), terms)
    elif identity.kind == "encoder":
        found = _encoder(identity, access)
    else:
        endpoint = EndpointEmbedder(identity.name, access.openai, EndpointTerms(dimensions=identity.asked))
        same_embedder(identity, endpoint.identity)
        endpoint.check_probe(identity)
        return endpoint
    same_embedder(identity, found.identity)
    return found


def _encoder(identity: EmbedderIdentity, access: IndexAccess) -> FolderEncoder:
    folder = access.encoder or Path(identity.location)
    if not folder.is_dir():
        raise SourceError(
            f"the encoder {identity.name} of the index is no longer at {folder}",
            hint="Name its folder, or search the index by words alone.",
        )
    return FolderEncoder(folder, identity.name, identity.location)
