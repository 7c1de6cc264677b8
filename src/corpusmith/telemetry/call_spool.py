"""Calls of a served model on their way to a trace server: files in the workspace, one writer each, sent later.

    <folder>/<writer>-<n>.jsonl            a call a line; the next n begins at 8 MiB
    <folder>/<writer>-<n>.cursor.json      how far it was sent

A line is with the system when `append` returns, so a killed server loses none; nothing is fsync'd, a power cut may.
The writer holds a lock on its file: one that nobody holds and that was sent wholly is deleted. What the server does not
take for long is bounded: beyond 32 files the writer's oldest goes, and is counted.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from corpusmith.core.errors import WorkspaceError

FILE_BYTES = 8 << 20
MOST_FILES = 32


class CallSpool:
    """Writes the calls of one process."""

    def __init__(self, folder: Path, writer: str, file_bytes: int = FILE_BYTES, most_files: int = MOST_FILES) -> None:
        """Begin a file.

        Args:
            folder: Where to; made when it is not there.
            writer: Names the process, and nobody else.
            file_bytes: Size at which the next file begins.
            most_files: Files that are kept of this writer.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        self._folder, self._writer = folder, writer
        self._file_bytes, self._most_files = file_bytes, most_files
        self._number = 0
        self._lock = threading.Lock()
        self.lost_files = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._begin()
        except OSError as error:
            raise WorkspaceError(f"cannot write {folder}: {error.strerror}", path=str(folder)) from error

    def append(self, call: Mapping[str, Any]) -> None:
        """Write a call.

        Raises:
            OSError: The disk does not take it.
        """
        line = json.dumps(call, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._file.tell() and self._file.tell() + len(line) > self._file_bytes:
                self._file.close()
                self._number += 1
                self._file = self._begin()
                self._forget_oldest()
            self._file.write(line)

    def close(self) -> None:
        """Leave the file to whoever sends it."""
        with self._lock:
            self._file.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._writer}-{number:06d}.jsonl"

    def _begin(self) -> BinaryIO:
        while True:
            path = self._path(self._number)
            file = path.open("ab", buffering=0)
            fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    return file
            file.close()  # whoever sends took it for done with, between the two lines above

    def _forget_oldest(self) -> None:
        own = sorted(self._folder.glob(f"{self._writer}-*.jsonl"))
        for path in own[: -self._most_files]:
            forget(path)
            self.lost_files += 1


def cursor_of(path: Path) -> Path:
    """The file that says how far a spool file was sent."""
    return path.with_suffix(".cursor.json")


def forget(path: Path) -> None:
    """Delete a spool file and its cursor."""
    path.unlink(missing_ok=True)
    cursor_of(path).unlink(missing_ok=True)


def is_written(path: Path) -> bool:
    """Whether a living process still writes the file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
