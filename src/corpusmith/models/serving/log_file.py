"""A server's log on disk, of bounded size: past it, the file becomes `NAME.1`, that one `NAME.2`, the last one goes.

Several processes may write to one file: a line is one write at the end of it, whoever finds it full turns it under a
lock, and the others see that the name means another file now and follow. A terminal or pipe is somebody else's to turn.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from corpusmith.core.errors import ParameterError

MOST_BYTES = 32 * 2**20
OLDER = 3
"""Full files that are kept beside the one that is written: 128 MiB in all for each process that runs."""
ENDED_BYTES = 256 * 2**20
"""Bytes of logs that stay of the processes of an endpoint that ended."""
_STANDARD = (1, 2)


class Lines(Protocol):
    """What lines are written to: a `LogFile`, or a stream that somebody else keeps."""

    def write(self, text: str, /) -> int:
        """Append a text."""
        ...

    def flush(self) -> None:
        """Let it be seen."""
        ...


class LogFile:
    """What `AccessLog` and `log_to` write to, instead of a stream."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES, older: int = OLDER) -> None:
        """Open it, to append.

        Args:
            path: The file. Where standard output or error go there too, they follow when it is turned.
            most_bytes: Size past which a line goes to a new file.
            older: Full files that are kept.

        Raises:
            OSError: It cannot be written.
        """
        self.path, self._most, self._older = path, most_bytes, older
        self._lock = threading.Lock()
        self._fd = _open(path)
        self._followers = [number for number in _STANDARD if _same(number, self._fd)]

    def write(self, text: str) -> int:
        """Append a text, whole; one at a time."""
        data = text.encode("utf-8", "replace")
        with self._lock:
            self._follow()
            size = os.fstat(self._fd).st_size
            if size and size + len(data) > self._most:
                self._turn(len(data))
            while data:
                data = data[os.write(self._fd, data) :]
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _follow(self) -> None:
        """Another process may have turned the file, or somebody taken it away."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            self._reopen()
            return
        if not os.path.samestat(there, os.fstat(self._fd)):
            self._reopen()

    def _reopen(self) -> None:
        before, self._fd = self._fd, _open(self.path)
        for number in self._followers:
            os.dup2(self._fd, number)
        os.close(before)

    def _turn(self, more: int) -> None:
        """Under a lock that every writer of the file takes: only the first that finds it full turns it."""
        with Path(f"{self.path}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._follow()
            if os.fstat(self._fd).st_size + more <= self._most:
                return
            for number in range(self._older, 0, -1):
                older = self.path if number == 1 else Path(f"{self.path}.{number - 1}")
                with suppress(FileNotFoundError):
                    older.replace(f"{self.path}.{number}")
            self._reopen()


def open_log(path: Path, folder: Path, used: Iterable[str | None]) -> LogFile:
    """Open the log of this process, after those of processes that ended are cut to `ENDED_BYTES` (`clear_logs`).

    Raises:
        ParameterError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_logs(folder, [str(path), *used])
        return LogFile(path)
    except OSError as error:
        raise ParameterError(
            f"the log {path} cannot be written: {error.strerror}", hint="Give another with --log-file."
        ) from error


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _same(one: int, other: int) -> bool:
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def clear_logs(folder: Path, used: Iterable[str | None], most_bytes: int = ENDED_BYTES) -> list[Path]:
    """Delete the oldest logs of processes that ended, until what stays of them is no more than that.

    Args:
        folder: Where an endpoint's logs are, also in folders of it.
        used: Logs of processes that run; with what was turned of them they are left alone.
        most_bytes: What may stay.
    """
    running = tuple(str(path) for path in used if path)
    ended = []
    for path in folder.rglob("*.log*"):
        with suppress(FileNotFoundError):
            if path.is_file() and not str(path).startswith(running):
                ended.append((path.stat().st_mtime, path.stat().st_size, path))
    ended.sort()
    gone, left = [], sum(size for _, size, _ in ended)
    for _, size, path in ended:
        if left <= most_bytes:
            break
        path.unlink(missing_ok=True)
        gone.append(path)
        left -= size
    return gone
