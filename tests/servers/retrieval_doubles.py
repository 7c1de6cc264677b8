"""Points, stores and indexes for the tests of retrieval."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.rows import Shape, schema_of
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.embedding import unit
from corpusmith.models.retrieval.server_store import ServerStore
from corpusmith.models.retrieval.store import StoredPoint, VectorStore
from corpusmith.models.retrieval.terms import Terms
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.workspace import Workspace
from corpusmith.store.writer import StagedWriter, side_files
from corpusmith.tools.index import TOOL

DIMENSION = 8
TEXTS = [
    "The heron waits beside the reeds at dawn and eats nine frogs.",
    "The old stone bridge at the edge of Aldwick crosses the river Tamble.",
    "A guild of masons built the bridge of granite in the year of the flood.",
    "Frogs sing at night; the heron hears them and walks to the pond.",
    "Taxpayers in seven provinces fund every toll road and every bridge.",
    "Bread is baked of flour, water, salt and a sour starter.",
]


def vector_of(n: int) -> np.ndarray:
    return unit(np.random.default_rng(n).standard_normal((1, DIMENSION)))[0]


def point_of(n: int, text: str, **fields: str | int) -> StoredPoint:
    id_ = str(uuid.UUID(int=n + 1))
    payload = {"chunk_id": f"a#{n}~chunk.0", "row_id": f"a#{n}", "source": "a", "title": f"Title {n}", "url": "",
               "text": text, "fields": fields, "digest": str(hash(text) % 997)}  # fmt: skip
    return StoredPoint(id_, Terms("en", 8.0).document(text), vector_of(n), payload)


def _client(_folder: Path) -> VectorStore:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ServerStore(QdrantClient(":memory:"), "c", DIMENSION)


STORES: dict[str, Callable[[Path], VectorStore]] = {
    "edge": lambda folder: EdgeStore(folder / "shard", DIMENSION),
    "client": _client,
}


def add_rows(workspace: Workspace, rows: Sequence[Mapping[str, Any]], uri: str = "in.jsonl") -> StoredDataset:
    """Rows with `text` and `meta` as a dataset artifact."""
    full = [{"row_id": f"{uri}#{n}", "parent_id": None, "source": uri, **row} for n, row in enumerate(rows)]
    table = pa.Table.from_pylist(full, schema=schema_of(Shape.TEXT))
    artifact = fingerprint({"rows": [list(row.values()) for row in full]})
    with workspace.artifacts.stage(artifact, lambda: None) as folder:
        writer = StagedWriter(folder)
        writer.write(table)
        parts, counts, digest = writer.finish()
        record = ArtifactRecord(
            id=artifact, kind="dataset", tool="test", tool_version=1, params={}, inputs={}, seed=0,
            rows=counts.rows_out, size_bytes=sum(part.size_bytes for part in parts), content_digest=digest,
            parts=tuple(parts), files=side_files(folder), counts=counts,
        )  # fmt: skip
        return workspace.artifacts.commit(record, folder)


def build_index(folder: Path, rows: Sequence[Mapping[str, Any]], **params: Any) -> StoredDataset:
    """An index artifact of `rows`, in a workspace at `folder`."""
    workspace = Workspace.open(folder)
    runner = Runner(workspace, LocalEngine(workers=1))
    made = runner.run_step(TOOL, params, {"data": add_rows(workspace, rows).id}).artifact
    runner.engine.close()
    workspace.close()
    return made
