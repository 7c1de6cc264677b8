"""Copies of indexes in a workspace: `retrieval/<artifact>/<n>`, with `<n>.lock` and, once it is whole, `<n>.ready`.

One process owns a copy; a second one that opens the same index finds it taken and makes the next. Copies are made from
artifacts and can be made again, so those of an artifact that is no longer there, and those that nobody opened for 30
days, are removed when some index is opened. One that is open is left alone.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from corpusmith.core.errors import PreconditionError, WorkspaceError
from corpusmith.core.ids import ARTIFACT_ID
from corpusmith.models.retrieval.copy_lock import TakenError, lock_of, own
from corpusmith.models.retrieval.edge_store import EdgeStore

MOST_COPIES = 64
UNUSED_DAYS = 30


def open_copy(folder: Path, dimension: int | None, fill: Callable[[EdgeStore], Any]) -> EdgeStore:
    """A copy of an index that nobody else has open, made where there is none.

    Args:
        folder: Of all copies of this index.
        dimension: Numbers of an embedding; None = it has none.
        fill: Puts every point into an empty store.

    Raises:
        PreconditionError: It is open 64 times.
        WorkspaceError: The folder cannot be written.
    """
    for number in range(MOST_COPIES):
        place = folder / str(number)
        try:
            owner = own(place)
        except TakenError:
            continue
        whole = _ready(place).exists()  # asked once it is ours: until then others may fill or remove it
        store = EdgeStore(place, dimension, anew=not whole, owner=owner)
        try:
            if not whole:
                fill(store)
            _ready(place).touch()
        except BaseException:
            store.close()  # what is not ready is begun anew by the next
            raise
        return store
    raise PreconditionError(f"index {folder.name} is open {MOST_COPIES} times", hint="Use a Qdrant server instead.")


def sweep(root: Path, wanted: Callable[[str], bool], days: float = UNUSED_DAYS) -> list[Path]:
    """Remove copies that nobody needs. Returns their folders.

    Args:
        root: The folder `retrieval` of a workspace.
        wanted: Whether the artifact of this id is still there.
        days: How long a copy may lie unused.
    """
    gone = []
    for folder in sorted(root.iterdir() if root.is_dir() else []):
        if not folder.is_dir() or not ARTIFACT_ID.match(folder.name):
            continue
        kept = wanted(folder.name)
        places = {path.with_suffix("") for path in folder.iterdir()}
        gone += [place for place in sorted(places) if (not kept or _unused(place, days)) and _remove(place)]
        with suppress(OSError):  # something of it is in use
            folder.rmdir()
    return gone


def _remove(place: Path) -> bool:
    try:
        owner = own(place)
    except (TakenError, WorkspaceError):
        return False
    try:
        _ready(place).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        lock_of(place).unlink(missing_ok=True)
    finally:
        os.close(owner)
    return True


def _unused(place: Path, days: float) -> bool:
    seen = 0.0
    for path in (place, lock_of(place), _ready(place)):
        with suppress(FileNotFoundError):
            seen = max(seen, path.stat().st_mtime)
    return seen < time.time() - days * 86_400


def _ready(place: Path) -> Path:
    return place.with_name(f"{place.name}.ready")
