"""Who owns a folder with a vector store: one process at a time, by a lock on a file beside it.

The file may be removed by whoever holds it (`copies.sweep`). So a lock counts only while the file that was locked is
still the one that stands there.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from corpusmith.core.errors import PreconditionError, WorkspaceError

_TRIES = 100


class TakenError(PreconditionError):
    """Somebody else has the folder open."""


def lock_of(folder: Path) -> Path:
    """The file whose lock says who owns a folder."""
    return folder.with_name(f"{folder.name}.lock")


def own(folder: Path) -> int:
    """Own a folder, there or not. Returns the handle of its lock; closing it lets go.

    Raises:
        TakenError: Another process, or another store of this one, has it open.
        WorkspaceError: The folder cannot be written.
    """
    path = lock_of(folder)
    for _ in range(_TRIES):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except FileNotFoundError:  # the parent was removed in between
            continue
        except OSError as error:
            raise WorkspaceError(
                f"{folder} cannot be written: {error.strerror}", hint="Give another workspace."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise TakenError(
                f"the vector store {folder.name} is open elsewhere",
                hint="One owner at a time: share it inside the process, or use a Qdrant server.",
            ) from error
        except FileNotFoundError:  # it was removed with its folder before it was locked
            pass
        os.close(handle)
    raise TakenError(f"the vector store {folder.name} is removed over and over", hint="Try again.")
