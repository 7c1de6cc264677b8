"""An index on a Qdrant server: filled, made live, and filled again from its artifact when somebody removed it there.

Only a complete collection is ever searched: a search goes by the name that it has while it is complete
(`server_names`), so while one process fills it nobody is answered from half of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from corpusmith.models.retrieval.index_file import IndexManifest
from corpusmith.models.retrieval.server_store import CollectionGoneError, ServerStore
from corpusmith.models.retrieval.store import Hit, Search, StoredPoint, sync

Points = Callable[[], Iterable[StoredPoint]]


@dataclass
class ServerIndex:
    """One index's collection, for readers; a `VectorStore`.

    Attributes:
        store: The collection.
        manifest: What the index is.
        points: All its points, made anew at each call.
    """

    store: ServerStore
    manifest: IndexManifest
    points: Points
    _filling: threading.Lock = field(default_factory=threading.Lock)

    def complete(self) -> bool:
        """Whether every point is there."""
        return self.store.read_when_ready() and self.store.count() == self.manifest.chunks

    def fill(self) -> None:
        """Put in whatever is missing, and mark it as complete."""
        with self._filling:
            if self.complete():
                return
            self.store.make()
            self.store.index_fields(self.manifest.fields)
            sync(self.store, self.points())
            self.store.finish()

    def search(self, search: Search) -> list[Hit]:
        """The best points, best first.

        Raises:
            SourceError: The server went away, or it lets nobody fill the collection again that is gone.
        """
        try:
            return self.store.search(search)
        except CollectionGoneError:
            self.fill()
            return self.store.search(search)

    def make_live(self) -> list[str]:
        """Fill it, and let the alias name it. Returns the collections that were deleted for it."""
        self.fill()
        return self.store.take_over(self.manifest.alias)

    def is_live(self) -> bool:
        """Whether the alias names it and it is complete."""
        return self.store.aliases().get(self.manifest.alias) == self.store.collection and self.complete()

    def upsert(self, points: Sequence[StoredPoint]) -> None:
        """Put points in."""
        self.store.upsert(points)

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""
        self.store.delete(ids)

    def digests(self) -> dict[str, str]:
        """Id to digest of every point."""
        return self.store.digests()

    def count(self) -> int:
        """How many points there are."""
        return self.store.count()

    def close(self) -> None:
        """Close the connections."""
        self.store.close()
