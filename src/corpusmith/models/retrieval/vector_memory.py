"""Vectors that were made once are not made again: a file beside the artifacts, by embedder and text.

What an index costs when a dataset has changed is so the change. Not kept: vectors fitted on the corpus itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import xxhash

from corpusmith.core.errors import WorkspaceError
from corpusmith.models.retrieval.embedding import Embedder, Vectors

CHUNK = 512
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (embedder TEXT, text BLOB, vector BLOB, PRIMARY KEY (embedder, text)) WITHOUT ROWID
"""


def embed_all(
    embedder: Embedder,
    texts: Sequence[str],
    memory: Path | None,
    told: Callable[[int], None] = lambda _done: None,
) -> tuple[Vectors, int]:
    """All texts as float32[n, dimension], and how many of them had to be embedded.

    Args:
        embedder: Makes the vectors.
        texts: n texts.
        memory: The file; None = nothing is remembered.
        told: Takes how many are done; raises to stop. What was made until then is remembered.

    Raises:
        WorkspaceError: The file cannot be read or written.
    """
    out = np.zeros((len(texts), embedder.identity.dimension), np.float32)
    made = 0
    if memory is None or embedder.identity.kind not in ("encoder", "endpoint"):
        for start in range(0, len(texts), CHUNK):
            told(start)
            out[start : start + CHUNK] = embedder.passages(texts[start : start + CHUNK])
        return out, len(texts)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(memory, timeout=30)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_SCHEMA)
            for start in range(0, len(texts), CHUNK):
                told(start)
                made += _fill(database, embedder, texts[start : start + CHUNK], out[start : start + CHUNK])
    except (sqlite3.Error, OSError) as error:
        raise WorkspaceError(f"{memory} cannot be used: {error}", hint="Delete it: it is made anew.") from error
    return out, made


def _fill(database: sqlite3.Connection, embedder: Embedder, texts: Sequence[str], out: Vectors) -> int:
    digest = embedder.identity.digest
    keys = [xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass")) for text in texts]
    missing: dict[bytes, int] = {}
    for at, key in enumerate(keys):
        row = database.execute("SELECT vector FROM vectors WHERE embedder = ? AND text = ?", (digest, key)).fetchone()
        if row is not None and len(row[0]) == 4 * out.shape[1]:
            out[at] = np.frombuffer(row[0], np.float32)
        else:
            missing.setdefault(key, at)
    if not missing:
        return 0
    made = embedder.passages([texts[at] for at in missing.values()])
    for place, key in enumerate(missing):
        database.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (digest, key, made[place].tobytes()))
    database.commit()
    places = {key: place for place, key in enumerate(missing)}
    for at, key in enumerate(keys):
        if key in places:
            out[at] = made[places[key]]
    return len(missing)
