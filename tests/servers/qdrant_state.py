"""What `qdrant_server` knows: collections, points, aliases, and the answers and refusals of a Qdrant server to them.

Only what the program asks of a server: named dense vectors (cosine), sparse ones (with IDF), conditions under `must`
(any, except, value, range). Anything else is refused with 501, so that a test cannot lean on what is not there.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qdrant_client.http import models

FORBIDDEN = '<>:"/\\|?*\0\x1f'


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


@dataclass
class Point:
    id: str
    dense: dict[str, np.ndarray]
    sparse: dict[str, dict[int, float]]
    payload: dict[str, Any]
    version: int


@dataclass
class Collection:
    asked: models.CreateCollection
    points: dict[str, Point] = field(default_factory=dict)
    indexed: dict[str, str] = field(default_factory=dict)

    @property
    def dense(self) -> Mapping[str, models.VectorParams]:
        given = self.asked.vectors or {}
        return given if isinstance(given, Mapping) else {"": given}

    @property
    def sparse(self) -> Mapping[str, models.SparseVectorParams]:
        return self.asked.sparse_vectors or {}


class QdrantState:
    """Every method is one request, atomic as on a server. Survives the server that shows it."""

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}
        self._lock = threading.Lock()
        self._operations = 0

    def exists(self, name: str) -> dict[str, Any]:
        with self._lock:
            return {"exists": name in self.collections or name in self.aliases}

    def info(self, name: str) -> dict[str, Any]:
        with self._lock:
            found = self._found(name)
            return _info(found)

    def create(self, name: str, asked: models.CreateCollection) -> bool:
        bad = next((char for char in FORBIDDEN if char in name), None)
        if bad is not None or not 1 <= len(name) <= 255:
            raise RefusalError(422, f'Validation error in path: [name: collection name cannot contain "{bad}" char]')
        with self._lock:
            if name in self.collections or name in self.aliases:
                raise RefusalError(409, f"Wrong input: Collection `{name}` already exists!")
            made = Collection(asked)
            for params in made.dense.values():
                if not 1 <= params.size <= 65536:
                    raise RefusalError(
                        422, f"Validation error in JSON body: [vectors.size: value {params.size} invalid]"
                    )
                if params.distance is not models.Distance.COSINE:
                    raise RefusalError(501, "the test server knows the distance Cosine alone")
            self.collections[name] = made
            return True

    def drop(self, name: str) -> bool:
        with self._lock:
            self.aliases = {alias: of for alias, of in self.aliases.items() if of != name}
            return self.collections.pop(name, None) is not None

    def list_aliases(self) -> dict[str, Any]:
        with self._lock:
            return {"aliases": [{"alias_name": n, "collection_name": of} for n, of in sorted(self.aliases.items())]}

    def change_aliases(self, asked: models.ChangeAliasesOperation) -> bool:
        with self._lock:
            new = dict(self.aliases)
            for action in asked.actions:
                if isinstance(action, models.CreateAliasOperation):
                    name, of = action.create_alias.alias_name, action.create_alias.collection_name
                    if of not in self.collections:
                        raise RefusalError(404, f"Not found: Collection `{of}` doesn't exist!")
                    if name in self.collections:
                        raise RefusalError(409, f"Wrong input: Collection `{name}` already exists!")
                    new[name] = of
                elif isinstance(action, models.DeleteAliasOperation):
                    new.pop(action.delete_alias.alias_name, None)
                else:
                    raise RefusalError(501, "the test server renames no alias")
            self.aliases = new
            return True

    def index(self, name: str, asked: models.CreateFieldIndex) -> dict[str, Any]:
        if not isinstance(asked.field_schema, models.PayloadSchemaType):
            raise RefusalError(501, "the test server knows plain field schemas alone")
        with self._lock:
            self._found(name).indexed[asked.field_name] = asked.field_schema.value
            return self._done()

    def upsert(self, name: str, points: Sequence[models.PointStruct]) -> dict[str, Any]:
        with self._lock:
            found = self._found(name)
            self._operations += 1
            made = [_point(found, point, self._operations) for point in points]
            found.points.update({point.id: point for point in made})
            return self._done()

    def delete(self, name: str, ids: Sequence[Any]) -> dict[str, Any]:
        with self._lock:
            found = self._found(name)
            for id_ in ids:
                found.points.pop(_uuid(id_), None)
            return self._done()

    def scroll(self, name: str, asked: models.ScrollRequest) -> dict[str, Any]:
        _nothing_else(asked, "limit", "offset", "filter", "with_payload", "with_vector")
        limit = _positive("limit", asked.limit, 10)
        with self._lock:
            found = self._found(name)
            first = "" if asked.offset is None else _uuid(asked.offset)
            ids = sorted(id_ for id_, point in found.points.items() if id_ >= first and _meets(point, asked.filter))
            shown = [_record(found.points[id_], asked.with_payload, True) for id_ in ids[:limit]]
            return {"points": shown, "next_page_offset": ids[limit] if len(ids) > limit else None}

    def count(self, name: str, asked: models.CountRequest) -> dict[str, Any]:
        with self._lock:
            points = self._found(name).points.values()
            return {"count": sum(_meets(point, asked.filter) for point in points)}

    def query(self, name: str, asked: models.QueryRequest) -> dict[str, Any]:
        _nothing_else(asked, "query", "using", "filter", "limit", "with_payload", "with_vector")
        limit = _positive("limit", asked.limit, 10)
        with self._lock:
            found = self._found(name)
            scores = dict(_scores(found, asked.query, asked.using or ""))
            best = sorted(
                (id_ for id_ in scores if _meets(found.points[id_], asked.filter)), key=lambda id_: (-scores[id_], id_)
            )
            shown = [
                {**_record(found.points[id_], asked.with_payload, False), "score": scores[id_]} for id_ in best[:limit]
            ]
            return {"points": shown}

    def _found(self, name: str) -> Collection:
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise RefusalError(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def _done(self) -> dict[str, Any]:
        self._operations += 1
        return {"operation_id": self._operations, "status": "completed"}


def _point(of: Collection, given: models.PointStruct, version: int) -> Point:
    if not isinstance(given.vector, Mapping):
        raise RefusalError(400, "Wrong input: Not existing vector name error: ")
    made = Point(_uuid(given.id), {}, {}, dict(given.payload or {}), version)
    for name, vector in given.vector.items():
        if name in of.sparse and isinstance(vector, models.SparseVector):
            made.sparse[name] = _sparse(vector)
        elif name in of.dense and isinstance(vector, list):
            made.dense[name] = _dense(of.dense[name].size, vector)
        elif name in of.sparse or name in of.dense:
            raise RefusalError(400, f"Wrong input: Conversion between sparse and regular vectors failed: {name}")
        else:
            raise RefusalError(400, f"Wrong input: Not existing vector name error: {name}")
    return made


def _dense(size: int, given: Sequence[Any]) -> np.ndarray:
    if len(given) != size or not all(isinstance(number, (int, float)) for number in given):
        raise RefusalError(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(given)}")
    vector = np.asarray(given, np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def _sparse(given: models.SparseVector) -> dict[int, float]:
    fits = len(given.indices) == len(given.values) == len(set(given.indices))
    if not fits or not all(0 <= at < 2**32 for at in given.indices):
        raise RefusalError(
            422, "Validation error in JSON body: [sparse vector: indices must be unique u32, as many as values]"
        )
    return {at: float(np.float32(value)) for at, value in zip(given.indices, given.values, strict=True)}


def _scores(of: Collection, query: Any, using: str) -> Iterator[tuple[str, float]]:
    points = of.points.values()
    if isinstance(query, models.NearestQuery):
        _nothing_else(query, "nearest")
        query = query.nearest
    if using in of.sparse and isinstance(query, models.SparseVector):
        asked = _sparse(query)
        held = [point for point in points if using in point.sparse]
        weights = asked
        if of.sparse[using].modifier is models.Modifier.IDF:
            df = {token: sum(token in point.sparse[using] for point in held) for token in asked}
            weights = {
                token: value * math.log((len(held) - df[token] + 0.5) / (df[token] + 0.5) + 1.0)
                for token, value in asked.items()
            }
        for point in held:
            shared = point.sparse[using].keys() & weights.keys()
            if shared:
                yield point.id, sum(weights[token] * point.sparse[using][token] for token in shared)
    elif using in of.dense and isinstance(query, list):
        vector = _dense(of.dense[using].size, query)
        yield from ((point.id, float(vector @ point.dense[using])) for point in points if using in point.dense)
    elif using in of.dense or using in of.sparse:
        raise RefusalError(400, f"Wrong input: Vector name {using} and the kind of the query do not go together")
    else:
        raise RefusalError(400, f"Wrong input: Not existing vector name error: {using}")


def _meets(point: Point, where: models.Filter | None) -> bool:
    if where is None:
        return True
    if where.should or where.must_not or where.min_should or not isinstance(where.must, list):
        raise RefusalError(501, "the test server knows filters with a list of `must` alone")
    return all(_holds(point, condition) for condition in where.must)


def _holds(point: Point, condition: Any) -> bool:
    if not isinstance(condition, models.FieldCondition):
        raise RefusalError(501, "the test server knows conditions on fields alone")
    value: Any = point.payload
    for key in condition.key.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    match, span = condition.match, condition.range
    if isinstance(match, models.MatchAny):
        return value in match.any
    if isinstance(match, models.MatchExcept):
        return value is not None and value not in match.except_
    if isinstance(match, models.MatchValue):
        return bool(value == match.value)
    if isinstance(span, models.Range):
        number = isinstance(value, (int, float))
        return number and (span.gte is None or value >= span.gte) and (span.lte is None or value <= span.lte)
    raise RefusalError(501, "the test server does not know this condition")


def _record(point: Point, wanted: Any, scrolled: bool) -> dict[str, Any]:
    wanted = scrolled if wanted is None else wanted
    if isinstance(wanted, list):
        payload: Any = {key: point.payload[key] for key in wanted if key in point.payload}
    elif isinstance(wanted, bool):
        payload = point.payload if wanted else None
    else:
        raise RefusalError(501, "the test server knows payload by name, all or none")
    shown = {"id": point.id, "payload": payload}
    return shown if scrolled else {**shown, "version": point.version}


def _nothing_else(asked: Any, *known: str) -> None:
    more = {name for name, value in asked if value is not None} - set(known)
    if more:
        raise RefusalError(501, f"the test server does not know {sorted(more)}")


def _positive(name: str, value: int | None, default: int) -> int:
    if value is not None and value < 1:
        raise RefusalError(422, f"Validation error in JSON body: [{name}: value {value} invalid, must be 1 or larger]")
    return default if value is None else value


def _uuid(given: Any) -> str:
    if isinstance(given, int):
        raise RefusalError(501, "the test server takes UUIDs as ids alone")
    try:
        return str(uuid.UUID(str(given)))
    except ValueError:
        said = f"value {given} is not a valid point ID, valid values are either an unsigned integer or a UUID"
        raise RefusalError(400, f"Format error in JSON body: {said}") from None


def _info(of: Collection) -> dict[str, Any]:
    params = of.asked.model_dump(mode="json", exclude_none=True, include={"vectors", "sparse_vectors"})
    many = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": True}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": 0,
        "points_count": len(of.points),
        "segments_count": 2,
        "config": {
            "params": {**params, **many},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0},
            "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
            "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        },
        "payload_schema": {name: {"data_type": kind, "points": len(of.points)} for name, kind in of.indexed.items()},
    }
