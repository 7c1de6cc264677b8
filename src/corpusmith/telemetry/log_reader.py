"""Reads a decision log from its file, also while the run still writes it.

Only lines that end in a newline count: the writer may still finish, or cut off and rewrite, what stands after the
last one, and an exporter that had already sent it would never look at that sequence number again.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from corpusmith.core.errors import NotFoundError, WorkspaceError
from corpusmith.core.events import Event


def read_log(path: Path) -> list[Event]:
    """The whole events of the log at `path`, in order; `events[n].seq == n`.

    Raises:
        NotFoundError: There is no such file.
        WorkspaceError: The file cannot be read, a line is damaged, or a sequence number is missing or repeated.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"no decision log at {path}", hint="Give the log.jsonl of a run.", path=str(path)) from None
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}", path=str(path)) from None
    events: list[Event] = []
    for number, line in enumerate(raw.split(b"\n")[:-1], start=1):
        try:
            event = Event.model_validate_json(line)
        except ValidationError as error:
            raise WorkspaceError(
                f"line {number} of {path} is no event: {error.errors()[0]['msg']}", path=str(path), line=number
            ) from None
        if event.seq != len(events) or (events and event.run_id != events[0].run_id):
            raise WorkspaceError(
                f"line {number} of {path} is event {event.seq} of {event.run_id}, expected event {len(events)}",
                hint="The log is append-only; restore it from a copy.",
                path=str(path),
                line=number,
            )
        events.append(event)
    return events
