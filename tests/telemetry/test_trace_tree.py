from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_logs import RUN, RunLog

from corpusmith.core.events import Event, EventKind
from corpusmith.telemetry.log_reader import read_log
from corpusmith.telemetry.trace_tree import MAX_TEXT_CHARS, clean, trace_of


def test_decision_step_and_model_call_nest(log: RunLog) -> None:
    log.whole(1)
    trace = trace_of(read_log(log.path), "d")
    outer_call, decision, step, inner_call = trace.spans
    assert [span.kind for span in trace.spans] == ["llm", "general", "tool", "llm"]
    assert (outer_call.parent, decision.parent) == (None, None)
    assert (step.parent, inner_call.parent) == (decision.id, step.id)
    assert decision.input["saw"] == {"near_duplicate_rate": 0.2}
    assert decision.output["measured"] == 0.005
    assert decision.scores == {"near_duplicate_rate": 0.005, "near_duplicate_rate.passed": 1.0}
    assert outer_call.usage == {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    assert outer_call.end - outer_call.start == 0.5
    assert trace.status == "passed"
    assert trace.scores == {"near_duplicate_rate": 0.005, "near_duplicate_rate.passed": 1.0}
    assert all(span.end is not None for span in trace.spans)


def test_a_gate_that_does_not_hold_scores_zero(log: RunLog) -> None:
    log.started()
    log.turn(0, after=0.5)
    decision = trace_of(read_log(log.path), "d").spans[1]
    assert decision.scores == {"near_duplicate_rate": 0.5, "near_duplicate_rate.passed": 0.0}


def test_failed_and_cached_steps(log: RunLog) -> None:
    log.started()
    log.add("step_started", step="s1", tool="clean", params={}, inputs={})
    log.add("step_finished", step="s1", tool="clean", status="failed", error="no such column")
    log.add("step_finished", step="s2", tool="dedup", status="cached", artifact="s2", seconds=0.25)
    failed, cached = trace_of(read_log(log.path), "d").spans
    assert failed.error == "no such column"
    assert cached.error is None
    assert cached.end - cached.start == 0.25


def test_a_longer_log_keeps_ids_and_parents(log: RunLog) -> None:
    log.whole(3)
    events = read_log(log.path)
    whole = {span.id: span.parent for span in trace_of(events, "d").spans}
    assert len(whole) == 12
    for length in range(1, len(events)):
        part = trace_of(events[:length], "d").spans
        assert all(whole[span.id] == span.parent for span in part)


def test_destinations_do_not_share_ids(log: RunLog) -> None:
    events = read_log(log.whole(1).path)
    here, there = ({span.id for span in trace_of(events, place).spans} for place in ("here", "there"))
    assert not here & there


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KEYS = [
    "decision",
    "brief",
    "step",
    "tool",
    "after",
    "gates",
    "summary",
    "seconds",
    "tokens_in",
    "tokens_out",
    "prompt",
]
line = st.tuples(st.sampled_from(get_args(EventKind)), st.dictionaries(st.sampled_from(KEYS), plain, max_size=4))


@given(st.lists(line, min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_log_folds_to_plain_json(lines: list[tuple[Any, dict[str, Any]]]) -> None:
    events = [Event(run_id=RUN, seq=n, time=float(n), kind=kind, data=data) for n, (kind, data) in enumerate(lines)]
    trace = trace_of(events, "d")
    for record in (trace.input, trace.output, trace.metadata, *(vars(span) for span in trace.spans)):
        json.dumps(record, allow_nan=False)
    ids = [span.id for span in trace.spans]
    assert len(set(ids)) == len(ids)
    assert all(span.parent is None or span.parent in ids for span in trace.spans)


def test_clean_cuts_and_redacts() -> None:
    text = clean(
        {"a": ["x" * (MAX_TEXT_CHARS + 5), float("nan"), "me@example.org"]}, lambda s: s.replace("me@", "[email]@")
    )
    assert text["a"][0].endswith("[5 characters more]")
    assert text["a"][1:] == [None, "[email]@example.org"]


@pytest.mark.parametrize("text", ["\ud800", "\x00", "é"])
def test_clean_text_encodes(text: str) -> None:
    clean(text).encode()
