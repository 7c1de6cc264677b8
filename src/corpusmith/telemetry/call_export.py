"""Sends the calls of a served model from their spool to Opik, at least once: a trace each, with one span of the model.

As with runs, a batch is sent, the server acknowledges it, and only then the cursor moves; ids are made of the request's
own id, so what is sent twice is there once.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpusmith.telemetry.call_spool import cursor_of, forget, is_written
from corpusmith.telemetry.cursor import load_cursor, save_cursor
from corpusmith.telemetry.opik_door import OpikDoor, TraceServerError, utc
from corpusmith.telemetry.opik_settings import ExportResult, OpikSettings
from corpusmith.telemetry.trace_ids import stable_uuid7
from corpusmith.telemetry.trace_tree import Redact, clean

Call = Mapping[str, Any]


def export_calls(
    folder: Path,
    settings: OpikSettings,
    *,
    redact: Redact | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """Send what the server has not acknowledged yet, oldest file first; files that are done with are deleted.

    Args:
        folder: A spool (`call_spool`); its files may still grow.
        settings: The server; with no url nothing is sent.
        redact: Applied to every string before it is sent.
        sleep: Waits between attempts.

    Returns:
        Calls acknowledged by this call and still pending; `error` is one line when the server refused or was away, or
        another process is at the same folder.

    Raises:
        WorkspaceError: A cursor cannot be written.
        ParameterError: A url is set and the opik package is not installed.
    """
    sent, error = 0, None
    files = sorted(folder.glob("*.jsonl"))
    if settings.url is None or not files:
        return ExportResult(0, _pending(files, settings), None)
    with _alone(folder) as alone:
        if not alone:
            return ExportResult(0, _pending(files, settings), "another export is at work")
        try:
            with OpikDoor(settings, sleep) as door:
                for path in files:
                    sent += _export_file(door, path, redact)
        except TraceServerError as failure:
            sent += failure.fields.get("calls_sent", 0)
            error = str(failure)
    return ExportResult(sent, _pending(files, settings), error)


def _export_file(door: OpikDoor, path: Path, redact: Redact | None) -> int:
    destination, sent = door.settings.destination(), 0
    writing = is_written(path)  # looked at first: what is whole afterwards was whole then
    for calls, end in _batches(path, _done(path, destination), door.settings.batch):
        try:
            _send(door, calls, redact)
        except TraceServerError as failure:
            failure.fields["calls_sent"] = sent
            raise
        save_cursor(cursor_of(path), path.stem, destination, end)
        sent += len(calls)
    if not writing:
        forget(path)
    return sent


def _batches(path: Path, start: int, size: int) -> Iterator[tuple[list[Call], int]]:
    """Whole lines from the byte `start` on, and the byte after each batch; a damaged line is passed over."""
    with path.open("rb") as file:
        file.seek(start)
        calls: list[Call] = []
        at = start
        for line in file:
            if not line.endswith(b"\n"):
                break
            at += len(line)
            try:
                call = json.loads(line)
            except ValueError:
                continue
            if isinstance(call, dict) and isinstance(call.get("id"), str) and isinstance(call.get("time"), int | float):
                calls.append(call)
            if len(calls) >= size:
                yield calls, at
                calls = []
        if at > start:
            yield calls, at


def _done(path: Path, destination: str) -> int:
    done = load_cursor(cursor_of(path), path.stem, destination)
    return done if done <= path.stat().st_size else 0


def _pending(files: Sequence[Path], settings: OpikSettings) -> int:
    return sum(
        len(calls)
        for path in files
        if path.exists()
        for calls, _ in _batches(path, _done(path, settings.destination()), 1000)
    )


def _send(door: OpikDoor, calls: Sequence[Call], redact: Redact | None) -> None:
    from opik.rest_api.types.span_write import SpanWrite
    from opik.rest_api.types.trace_write import TraceWrite

    if not calls:
        return
    traces, spans = [], []
    for raw in calls:
        call = clean(raw, redact) if redact else clean(raw)
        trace_id = stable_uuid7(raw["time"], door.settings.destination(), raw["id"], "call")
        end = float(raw["time"])
        shared = {
            "project_name": door.settings.project,
            "name": str(call.get("route") or "call"),
            "start_time": utc(end - max(0.0, float(raw.get("seconds") or 0.0))),
            "end_time": utc(end),
            "input": None if call.get("prompt") is None else {"prompt": call["prompt"]},
            "output": None if call.get("answer") is None else {"answer": call["answer"]},
            "metadata": {key: value for key, value in call.items() if key not in ("prompt", "answer")},
            "source": "sdk",
        }
        tokens = [int(raw.get(key) or 0) for key in ("prompt_tokens", "answer_tokens")]
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        traces.append(TraceWrite(id=trace_id, tags=["corpusmith", "served", str(call.get("version"))], **shared))
        spans.append(
            SpanWrite(
                id=stable_uuid7(raw["time"], door.settings.destination(), raw["id"], "span"), trace_id=trace_id,
                type="llm", model=str(call.get("version") or ""), provider="corpusmith", usage=usage, **shared,
            )
        )  # fmt: skip
    door.call(f"the traces of {len(calls)} calls", door.api.traces.create_traces, traces=traces)
    door.call(f"the spans of {len(calls)} calls", door.api.spans.create_spans, spans=spans)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else sends from this folder meanwhile."""
    handle = os.open(folder / "export.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        yield _locks(handle)
    finally:
        os.close(handle)


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
