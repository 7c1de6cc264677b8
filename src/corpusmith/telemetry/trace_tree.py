"""Folds a decision log into one trace with spans and scores: what an exporter sends, with no vendor in it.

A run is a trace; a decision, an approval and a note are spans of it; a step is a child of the decision it was run for,
a model call a child of the step (or decision) that was open. Gates are scores: `<metric>` is the measured value,
`<metric>.passed` is 1 or 0. The fold of a longer log never changes an id or a parent, it only completes records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from corpusmith.core.events import Event
from corpusmith.core.gates import Gate
from corpusmith.telemetry.trace_ids import stable_uuid7

SpanKind = Literal["general", "tool", "llm"]
Redact = Callable[[str], str]

MAX_TEXT_CHARS = 4000
MAX_SCORE = 999_999_999.0


@dataclass
class Span:
    """One span. `touched` is the last sequence number that changed it; times are Unix seconds."""

    id: str
    parent: str | None
    name: str
    kind: SpanKind
    start: float
    touched: int
    end: float | None = None
    input: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    model: str | None = None
    provider: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    prompt: tuple[str, str] | None = None


@dataclass
class Trace:
    """One run as a trace."""

    id: str
    run_id: str
    start: float
    end: float | None = None
    input: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    status: str = "running"
    spans: list[Span] = field(default_factory=list)


def trace_of(events: Sequence[Event], destination: str, redact: Redact | None = None) -> Trace:
    """The trace of a run.

    Args:
        events: The log from its start; at least one event.
        destination: Names the server and project; part of every id.
        redact: Applied to every string that is sent.
    """
    fold = _Fold(events[0], destination, redact or _same)
    for event in events:
        fold.add(event)
    return fold.trace


def _same(text: str) -> str:
    return text


class _Fold:
    def __init__(self, first: Event, destination: str, redact: Redact) -> None:
        self.destination, self.redact = destination, redact
        self.trace = Trace(stable_uuid7(first.time, destination, first.run_id, "trace"), first.run_id, first.time)
        self.gates: list[Gate] = []
        self.decision: Span | None = None
        self.decisions: dict[str, Span] = {}
        self.steps: dict[str, Span] = {}
        self.budgets: dict[str, Any] = {}

    def add(self, event: Event) -> None:
        data = clean(event.data, self.redact)
        getattr(self, f"_{event.kind}")(event, data)
        self.trace.metadata["events"] = event.seq + 1

    def _open(self, event: Event, name: str, kind: SpanKind, parent: Span | None, start: float | None = None) -> Span:
        span = Span(
            id=stable_uuid7(event.time, self.destination, event.run_id, event.seq),
            parent=parent.id if parent else None,
            name=name,
            kind=kind,
            start=event.time if start is None else start,
            touched=event.seq,
        )
        self.trace.spans.append(span)
        return span

    def _close(self, span: Span, event: Event) -> None:
        span.end, span.touched = max(event.time, span.start), event.seq

    def _run_started(self, event: Event, data: dict[str, Any]) -> None:
        if data.get("request") is not None:
            self.trace.input = {"request": data["request"]}
        if data.get("brief"):
            self._brief(event, data)

    def _brief(self, event: Event, data: dict[str, Any]) -> None:
        brief = data.get("brief", data)
        self.trace.metadata["brief"] = brief
        self.gates = _gates(event.data.get("brief", event.data))

    def _decision(self, event: Event, data: dict[str, Any]) -> None:
        if self.decision is not None:
            self._close(self.decision, event)
        decision = _mapping(data.get("decision", data))
        span = self._open(event, str(decision.get("chosen", "decision")), "general", None)
        span.input = {key: decision.get(key) for key in ("saw", "unmet", "options")}
        outcome = ("chosen", "tool", "params", "metric", "predicted", "why", "source", "measured", "kept", "outcome")
        span.output = {key: decision.get(key) for key in outcome}
        span.metadata = {key: decision.get(key) for key in ("id", "turn", "planner")}
        self.decisions[str(decision.get("id"))] = span
        self.decision = span

    def _measured(self, event: Event, data: dict[str, Any]) -> None:
        span = self.decisions.get(str(data.get("decision", data.get("id"))), self.decision)
        if span is None:
            span = self._open(event, "measured", "general", None)
        span.output |= {key: value for key, value in data.items() if key not in {"decision", "id"}}
        span.scores |= self._scores(data.get("after"))
        self._close(span, event)
        if span is self.decision:
            self.decision = None

    def _step_started(self, event: Event, data: dict[str, Any]) -> None:
        span = self._open(event, str(data.get("tool", "step")), "tool", self.decision)
        span.input = {"params": data.get("params"), "inputs": data.get("inputs")}
        span.metadata = {"step": data.get("step")}
        self.steps[str(data.get("step"))] = span

    def _step_finished(self, event: Event, data: dict[str, Any]) -> None:
        span = self.steps.pop(str(data.get("step")), None)
        if span is None:
            start = event.time - max(_number(data.get("seconds")) or 0.0, 0.0)
            span = self._open(event, str(data.get("tool", "step")), "tool", self.decision, start)
            span.metadata = {"step": data.get("step")}
        span.output = {key: value for key, value in data.items() if key not in {"step", "tool"}}
        if data.get("error") or data.get("status") == "failed":
            span.error = str(data.get("error") or "failed")
        self._close(span, event)

    def _model_call(self, event: Event, data: dict[str, Any]) -> None:
        parent = next(reversed(self.steps.values()), None) if self.steps else self.decision
        start = event.time - max(_number(data.get("seconds")) or 0.0, 0.0)
        span = self._open(event, str(data.get("purpose") or data.get("model") or "model call"), "llm", parent, start)
        known = {"model", "provider", "tokens_in", "tokens_out", "cost_usd", "prompt", "prompt_version", "purpose"}
        span.metadata = {key: value for key, value in data.items() if key not in known}
        span.model, span.provider = _text(data.get("model")), _text(data.get("provider"))
        tokens = [_number(data.get(key)) for key in ("tokens_in", "tokens_out")]
        if all(count is not None for count in tokens):
            given, made = (int(count) for count in tokens if count is not None)
            span.usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
        span.cost_usd = _number(data.get("cost_usd"))
        if data.get("prompt"):
            span.prompt = (str(data["prompt"]), str(data.get("prompt_version") or ""))
            span.metadata["prompt"] = {"name": span.prompt[0], "version": span.prompt[1]}
        if data.get("error"):
            span.error = str(data["error"])
        self._close(span, event)

    def _approval(self, event: Event, data: dict[str, Any]) -> None:
        span = self._open(event, f"approval {data.get('state', '')}".rstrip(), "general", self.decision)
        span.output = data
        self._close(span, event)

    def _budget(self, _event: Event, data: dict[str, Any]) -> None:
        self.budgets[str(data.get("account", ""))] = data
        self.trace.metadata["budgets"] = self.budgets

    def _note(self, event: Event, data: dict[str, Any]) -> None:
        span = self._open(event, "note", "general", self.decision)
        span.output = data
        self._close(span, event)

    def _run_finished(self, event: Event, data: dict[str, Any]) -> None:
        if self.decision is not None:
            self._close(self.decision, event)
            self.decision = None
        self.trace.end = max(event.time, self.trace.start)
        self.trace.output = data
        self.trace.status = str(data.get("status", "finished"))
        summary = data.get("summary")
        gates = data.get("gates") or (summary.get("gates") if isinstance(summary, dict) else None)
        self.trace.scores = self._scores(gates) or self._last_kept()

    def _last_kept(self) -> dict[str, float]:
        kept = [s.scores for s in self.trace.spans if s.scores and s.output.get("kept") is not False]
        return dict(kept[-1]) if kept else {}

    def _scores(self, measured: Any) -> dict[str, float]:
        """Scores of measured gate values: a list of gate results, or a mapping of metric to value (or result)."""
        if isinstance(measured, dict):
            rows = [{**_mapping(v), "metric": m} if isinstance(v, dict) else {"metric": m, "value": v}
                    for m, v in measured.items()]  # fmt: skip
        else:
            rows = [row for row in _list(measured) if isinstance(row, dict)]
        scores: dict[str, float] = {}
        for row in rows:
            metric, value = str(row.get("metric")), _number(row.get("value"))
            if value is not None and abs(value) <= MAX_SCORE:
                scores[metric] = value
            verdicts = [gate.holds(value) for gate in self.gates if gate.metric == metric]
            if isinstance(row.get("passed"), bool):
                verdicts = [row["passed"]]
            if verdicts:
                scores[f"{metric}.passed"] = min(scores.get(f"{metric}.passed", 1.0), float(all(verdicts)))
        return scores


def clean(value: Any, redact: Redact = _same) -> Any:
    """`value` as plain JSON: no NaN, long strings cut to 4,000 characters, every string through `redact`."""
    if isinstance(value, str):
        text = redact(value.encode("utf-8", "replace").decode())
        cut = len(text) - MAX_TEXT_CHARS
        return text if cut <= 0 else f"{text[:MAX_TEXT_CHARS]}… [{cut} characters more]"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {clean(str(key), redact): clean(item, redact) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [clean(item, redact) for item in value]
    return value


def _gates(brief: Any) -> list[Gate]:
    """The gates of a logged brief; one that this version cannot read has no verdict."""
    gates = []
    for gate in _list(_mapping(brief).get("gates")):
        try:
            gates.append(Gate.model_validate(gate))
        except ValidationError:
            continue
    return gates


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
