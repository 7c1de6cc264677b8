"""What every vector store of an index does: take points, give them up, find the nearest.

Two stores keep this contract, and one suite of tests holds both to it: `edge_store` (a folder, of one process) and
`server_store` (a Qdrant server). Fusion is not the store's: `fusion` does it on ranks, so both rank alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from corpusmith.models.retrieval.terms import Sparse

DENSE: Literal["dense"] = "dense"
TERMS: Literal["terms"] = "terms"
DIGEST, FIELDS = "digest", "fields"
BATCH = 256

Dense = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StoredPoint:
    """One chunk as a store holds it.

    Attributes:
        id: A UUID made of the chunk's row and text.
        terms: Its words.
        dense: Its embedding, of unit length; None in an index without one.
        payload: Plain values; `digest` tells two states of one chunk apart, `fields` holds what is filtered on.
    """

    id: str
    terms: Sparse
    dense: Dense | None
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Where:
    """A condition on one field: one of some values, or a date within a span (both ends included)."""

    field: str
    any_of: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Search:
    """One question to a store."""

    using: Literal["dense", "terms"]
    vector: Sparse | Dense
    limit: int
    where: Sequence[Where] = ()
    without_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A point that was found."""

    id: str
    score: float
    payload: Mapping[str, Any] = field(default_factory=dict)


class VectorStore(Protocol):
    """A place for points. Safe to use from several threads."""

    def upsert(self, points: Sequence[StoredPoint]) -> None:
        """Put points in; one that is there already is replaced.

        Raises:
            SourceError: The store went away.
        """
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out; one that is not there is no error."""
        ...

    def digests(self) -> dict[str, str]:
        """Id to digest of every point."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...

    def search(self, search: Search) -> list[Hit]:
        """The best points, best first; equal ones by id."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True)
class Synced:
    """What a store was brought up to date with."""

    added: int
    replaced: int
    removed: int
    kept: int


def sync(store: VectorStore, points: Iterable[StoredPoint], known: Mapping[str, str] | None = None) -> Synced:
    """Make a store hold exactly `points`: those it has in the same state are left alone, what is gone is deleted."""
    there = dict(store.digests() if known is None else known)
    seen: set[str] = set()
    batch: list[StoredPoint] = []
    added = replaced = 0
    for point in points:
        seen.add(point.id)
        if there.get(point.id) == point.payload[DIGEST]:
            continue
        added, replaced = added + (point.id not in there), replaced + (point.id in there)
        batch.append(point)
        if len(batch) >= BATCH:
            store.upsert(batch)
            batch = []
    if batch:
        store.upsert(batch)
    gone = [id_ for id_ in there if id_ not in seen]
    for start in range(0, len(gone), BATCH):
        store.delete(gone[start : start + BATCH])
    return Synced(added, replaced, len(gone), len(seen) - added - replaced)


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Hits best first; equal ones by id, so that every store gives one order."""
    return sorted(hits, key=lambda hit: (-round(hit.score, 5), hit.id))
