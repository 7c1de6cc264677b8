"""Small files written so that a crash leaves the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpusmith.core.errors import WorkspaceError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, and nothing else, into a WorkspaceError: for work that also reads what is not the workspace."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _full(path) from error


def _full(path: Path) -> WorkspaceError:
    return WorkspaceError(
        f"the disk that holds {path} is full",
        hint="Free some space, then `corpusmith resume` goes on from the last finished step.",
        path=str(path),
    )


@contextmanager
def workspace_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals (full disk, read-only, no permission) into one clear WorkspaceError."""
    try:
        yield
    except OSError as error:
        cut_short = error.errno is None and "requested and" in str(error)  # how NumPy says that a write was cut short
        if cut_short or error.errno in _FULL:
            raise _full(path) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR):
            raise WorkspaceError(
                f"the workspace {path} cannot be written: {error.strerror}",
                hint="Give another with --workspace DIR.",
                path=str(path),
            ) from error
        raise


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write, fsync, rename over `path`, fsync the folder.

    Args:
        path: The file.
        data: Its new content.
        durable: False = no fsync: a killed process leaves old or new, a power cut may leave anything.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with workspace_errors(path.parent):
        with draft.open("wb") as sink:
            sink.write(data)
            sink.flush()
            if durable:
                os.fsync(sink.fileno())
        draft.replace(path)
        if durable:
            sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames in the folder `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
