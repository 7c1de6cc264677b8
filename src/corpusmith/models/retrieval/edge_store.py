"""The embedded vector store: a Qdrant Edge shard in a folder. One process owns it, any number of its threads use it.

A second process is told so by a lock of ours, before Qdrant's own write-ahead log refuses it in words nobody can use.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpusmith.core.errors import PreconditionError, WorkspaceError
from corpusmith.models.retrieval.copy_lock import own
from corpusmith.models.retrieval.extra import need_retrieval_libraries
from corpusmith.models.retrieval.store import DENSE, DIGEST, FIELDS, TERMS, Hit, Search, StoredPoint, Where, ranked
from corpusmith.models.retrieval.terms import Sparse

_PAGE = 4096


class EdgeStore:
    """A shard in `folder`, made when it is not there.

    Args:
        folder: Where; its parents are made.
        dimension: Numbers of an embedding; None = the index has none.
        anew: Whether to begin with an empty shard.
        owner: Handle of the folder's lock (`copy_lock.own`), where the caller has it; closed with the store.

    Raises:
        PreconditionError: Another process or store has it open, or it was made for embeddings of another dimension.
        WorkspaceError: It cannot be read or written.
    """

    def __init__(self, folder: Path, dimension: int | None, *, anew: bool = False, owner: int | None = None) -> None:
        need_retrieval_libraries("qdrant_edge")
        self.folder, self.dimension = folder, dimension
        self._writing = threading.Lock()
        self._owner = own(folder) if owner is None else owner
        try:
            if anew:
                shutil.rmtree(folder, ignore_errors=True)
            self._shard = _open(folder, dimension)
        except BaseException:
            os.close(self._owner)
            raise

    def upsert(self, points: Sequence[StoredPoint]) -> None:
        """Put points in; one that is there already is replaced."""
        from qdrant_edge import Point, SparseVector, UpdateOperation

        made = []
        for point in points:
            vector: dict[str, Any] = {TERMS: SparseVector(list(point.terms.indices), list(point.terms.values))}
            if point.dense is not None:
                vector[DENSE] = point.dense.tolist()
            made.append(Point(point.id, vector, dict(point.payload)))
        with self._writing:
            self._shard.update(UpdateOperation.upsert_points(made))

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""
        from qdrant_edge import UpdateOperation

        with self._writing:
            self._shard.update(UpdateOperation.delete_points(list(ids)))

    def digests(self) -> dict[str, str]:
        """Id to digest of every point."""
        from qdrant_edge import ScrollRequest

        out: dict[str, str] = {}
        offset = None
        while True:
            page, offset = self._shard.scroll(ScrollRequest(offset=offset, limit=_PAGE, with_payload=[DIGEST]))
            out |= {str(record.id): str((record.payload or {}).get(DIGEST, "")) for record in page}
            if offset is None:
                return out

    def count(self) -> int:
        """How many points there are."""
        from qdrant_edge import CountRequest

        return int(self._shard.count(CountRequest()))

    def search(self, search: Search) -> list[Hit]:
        """The best points, best first."""
        from qdrant_edge import Query, QueryRequest, SparseVector

        vector: Any = search.vector
        if isinstance(vector, Sparse):
            vector = SparseVector(list(vector.indices), list(vector.values))
        else:
            vector = vector.tolist()
        request = QueryRequest(
            limit=search.limit, query=Query.Nearest(vector, search.using), with_payload=True, filter=_filter(search)
        )
        found = self._shard.query(request)
        return ranked(Hit(str(point.id), float(point.score), point.payload or {}) for point in found)

    def close(self) -> None:
        """Write what is pending, and let others have it."""
        if self._owner >= 0:
            with self._writing:
                self._shard.close()
                os.close(self._owner)
                self._owner = -1


def _open(folder: Path, dimension: int | None) -> Any:
    from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, Modifier

    dense: dict[str, Any] = (
        {} if dimension is None else {DENSE: EdgeVectorParams(size=dimension, distance=Distance.Cosine)}
    )
    config = EdgeConfig(vectors=dense, sparse_vectors={TERMS: EdgeSparseVectorParams(modifier=Modifier.Idf)})
    there = (folder / "edge_config.json").exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return EdgeShard.load(str(folder), config) if there else EdgeShard.create(str(folder), config)
    except OSError as error:
        raise WorkspaceError(f"{folder} cannot be written: {error.strerror}", hint="Give another workspace.") from error
    except Exception as error:  # the binding raises nothing narrower
        hint = "It is a copy made from the index: delete it, and it is made anew."
        kind = PreconditionError if "ncompatible" in str(error) or "mismatch" in str(error) else WorkspaceError
        raise kind(f"the vector store {folder} cannot be opened: {error}", hint=hint) from error


def _filter(search: Search) -> Any | None:
    from qdrant_edge import FieldCondition, Filter, MatchAny, MatchExcept, RangeFloat

    def condition(where: Where) -> Any:
        key = f"{FIELDS}.{where.field}"
        if where.any_of:
            return FieldCondition(key, match=MatchAny(list(where.any_of)))
        return FieldCondition(key, range=RangeFloat(gte=where.low, lte=where.high))

    must = [condition(where) for where in search.where]
    if search.without_rows:
        must.append(FieldCondition("row_id", match=MatchExcept(list(search.without_rows))))
    return Filter(must=must) if must else None
