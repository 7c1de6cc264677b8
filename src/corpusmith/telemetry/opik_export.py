"""Sends a run's decision log to Opik, at least once, from where the last export stopped.

The order is what makes it safe: a batch is sent, the server acknowledges it, and only then the cursor moves. A crash,
a lost answer or a server that is away at any point leads to the same records being sent again under the same ids. It
works on a finished run, a run that still goes on (its spans are completed by a later export), and one made offline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from corpusmith.telemetry.cursor import load_cursor, save_cursor
from corpusmith.telemetry.log_reader import read_log
from corpusmith.telemetry.opik_door import OpikDoor, TraceServerError
from corpusmith.telemetry.opik_prompts import register_prompts
from corpusmith.telemetry.opik_settings import ExportResult, OpikSettings
from corpusmith.telemetry.trace_ids import stable_uuid7
from corpusmith.telemetry.trace_tree import Redact, Trace, trace_of


def export_run(
    log_path: Path,
    cursor_path: Path,
    settings: OpikSettings,
    *,
    prompts: Mapping[str, str] | None = None,
    redact: Redact | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """Send what the server has not acknowledged yet.

    Args:
        log_path: The run's `log.jsonl`; it may still grow, and may end in a half-written line.
        cursor_path: Where the progress of this export is kept, `<run>/opik.cursor.json`.
        settings: The server; with no url nothing is sent.
        prompts: Prompt texts by `name@version` (or `name`), to register those that model calls name.
        redact: Applied to every string before it is sent, for example to mask personal data in the request.
        sleep: Waits between attempts.

    Returns:
        Log records acknowledged by this call and still pending; `error` is one line when the server refused or was
        away, and the next call goes on from there.

    Raises:
        NotFoundError: There is no log.
        WorkspaceError: The log is damaged, or the cursor cannot be written.
        ParameterError: A url is set and the opik package is not installed.
    """
    events = read_log(log_path)
    if not events:
        return ExportResult(0, 0, None)
    run_id, destination = events[0].run_id, settings.destination()
    done = load_cursor(cursor_path, run_id, destination)
    start = done = done if done <= len(events) else 0
    if settings.url is None or done == len(events):
        return ExportResult(0, len(events) - done, None)
    trace = trace_of(events, destination, redact)
    spans = sorted((span for span in trace.spans if span.touched >= done), key=lambda span: span.touched)
    error = None
    try:
        with OpikDoor(settings, sleep) as door:
            _register(door, trace, done, prompts or {})
            door.send_trace(trace)
            for first in range(0, len(spans), settings.batch):
                door.send_spans(trace, spans[first : first + settings.batch])
                rest = spans[first + settings.batch :]
                if rest:
                    # what comes next is complete from its `touched` on: everything before is with the server
                    done = rest[0].touched
                    save_cursor(cursor_path, run_id, destination, done)
            scores = ((trace.id, name, value) for name, value in trace.scores.items())
            door.send_scores(f"scores of {run_id}", door.api.traces.score_batch_of_traces, scores)
            done = len(events)
            save_cursor(cursor_path, run_id, destination, done)
    except TraceServerError as failure:
        error = str(failure)
    return ExportResult(done - start, len(events) - done, error)


def _register(door: OpikDoor, trace: Trace, done: int, prompts: Mapping[str, str]) -> None:
    named = [span.prompt for span in trace.spans if span.prompt and span.touched >= done]
    commits = register_prompts(door, named, prompts) if prompts else {}
    for span in trace.spans:
        if span.prompt and (commit := commits.get("@".join(span.prompt))):
            span.metadata["prompt"]["commit"] = commit


def run_trace_id(log_path: Path, settings: OpikSettings) -> str | None:
    """The id of the run's trace on the server of `settings`; None for an empty log.

    Raises:
        NotFoundError: There is no log.
        WorkspaceError: The log is damaged.
    """
    events = read_log(log_path)
    if not events:
        return None
    return stable_uuid7(events[0].time, settings.destination(), events[0].run_id, "trace")
