"""The decision log of a run: `runs/<run id>/log.jsonl`, one event a line, append-only, fsync'd before the effect it
announces. It is the truth that reports, exporters and resumed runs read. A half-written last line (a crash while
writing) is cut off when the log is opened for writing, and skipped when it is only read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpusmith.core.events import Event, EventKind
from corpusmith.store.files import workspace_errors

LOG_NAME = "log.jsonl"


class EventLog:
    """Writes one run's log. One writer at a time: the holder of the run's lease."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.path = folder / LOG_NAME
        self.run_id = run_id
        with workspace_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._repair()
        self._next = 0
        self._keys: set[tuple[str, str]] = set()
        for event in read_events(self.path):
            self._next += 1
            self._keys.add((event.kind, str(event.data.get("key"))))

    def _repair(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            with self.path.open("r+b") as log:
                log.truncate(end)

    def append(self, kind: EventKind, **data: Any) -> Event:
        """Write one event and wait until it is on disk."""
        event = Event(run_id=self.run_id, seq=self._next, time=time.time(), kind=kind, data=data)
        with workspace_errors(self.path.parent), self.path.open("ab") as log:
            log.write(event.model_dump_json().encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
        self._next += 1
        return event

    def once(self, kind: EventKind, key: str, **data: Any) -> None:
        """Write an event unless one of that kind and key was written before, by this process or one that died."""
        if (kind, key) not in self._keys:
            self._keys.add((kind, key))
            self.append(kind, key=key, **data)

    def events(self) -> list[Event]:
        """Everything written so far."""
        return list(read_events(self.path))


def read_events(path: Path) -> Iterator[Event]:
    """The events in a log file, in order; a half-written last line is skipped."""
    if not path.exists():
        return
    with path.open("rb") as log:
        for line in log:
            if line.endswith(b"\n"):
                yield Event.model_validate_json(line)
