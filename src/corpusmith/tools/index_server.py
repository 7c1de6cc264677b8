"""The `index` tool's part on a Qdrant server: an index is put there and made live; a step found done is put right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from corpusmith.core.tools import Dataset, StepContext
from corpusmith.models.retrieval.examining import Indexed
from corpusmith.models.retrieval.index_file import IndexManifest
from corpusmith.models.retrieval.opening import on_server
from corpusmith.models.retrieval.points import points_of
from corpusmith.models.retrieval.server_index import ServerIndex
from corpusmith.models.retrieval.server_store import ServerStore, open_client, server_name
from corpusmith.store.dataset import StoredDataset


def publish(ctx: StepContext, manifest: IndexManifest, indexed: Indexed) -> None:
    """Fill a collection of its own on the server that the manifest names, then let the alias name it.

    Raises:
        SourceError: The server cannot be reached, or refuses; then the alias is where it was.
    """
    assert manifest.store is not None
    client, where = open_client(manifest.store, ctx.services.get("qdrant_key")), server_name(manifest.store)
    store = ServerStore(client, manifest.collection, manifest.dimension, where, make=False)
    points = partial(points_of, indexed.chunks, indexed.terms, indexed.titles, indexed.vectors)
    with closing(ServerIndex(store, manifest, points)) as found:
        gone = found.make_live()
    ctx.emit(f"index: {manifest.collection} is {manifest.alias} now" + (f", deleted {', '.join(gone)}" if gone else ""))


def repair_with(url: str | None, key: Any, index: Dataset) -> Callable[[], None] | None:
    """What a server has lost of an index that was built before: its collection, or that its alias names it.

    Raises:
        SourceError: The server cannot be reached, or refuses.
    """
    if url is None or not isinstance(index, StoredDataset):
        return None

    def put_right() -> None:
        with closing(on_server(index, url, key)) as found:
            found.make_live()

    with closing(on_server(index, url, key)) as found:
        return None if found.is_live() else put_right
