from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from opik_server import OpikServer
from prometheus_client.parser import text_string_to_metric_families

from corpusmith.models.serving.access_log import AccessLog
from corpusmith.models.serving.contract import Asked, Caller
from corpusmith.models.serving.fleet import FleetState
from corpusmith.models.serving.metrics import Metrics
from corpusmith.models.serving.recording import Recording
from corpusmith.models.serving.shared_metrics import SharedMetrics
from corpusmith.models.serving.tracing import CallTracing
from corpusmith.telemetry.opik_settings import OpikSettings

STATE = FleetState("news@2", "news@3", 0.1, 4, {"news@4": "no"}, {}, ("news@1", "news@2", "news@3"), 5, 6)


def asked(**more: Any) -> Asked:
    given: dict[str, Any] = {
        "id": "r1", "route": "/v1/chat/completions", "caller": Caller("ana"), "model": "news", "version": "news@2",
        "status": 200, "prompt_tokens": 3, "answer_tokens": 5, "first_token_s": 0.02, "seconds": 0.3,
        "prompt": "what?", "answer": "that", "finishes": ("stop",),
    }  # fmt: skip
    return Asked(**{**given, **more})


def scrape(metrics: Metrics) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_metrics_count_and_look_at_the_fleet() -> None:
    metrics = Metrics(lambda: STATE, lambda: 7)
    metrics.record(asked())
    metrics.record(asked(status=500, first_token_s=None))
    found = scrape(metrics)
    assert found["corpusmith_requests_total['/v1/chat/completions', '200', 'news', 'news@2']"] == 1
    assert found["corpusmith_answer_tokens_total['news', 'news@2']"] == 10
    assert found["corpusmith_request_seconds_count['/v1/chat/completions', 'news@2']"] == 2
    assert found["corpusmith_first_token_seconds_count['news@2']"] == 1
    assert found["corpusmith_in_flight[]"] == 7
    assert found["corpusmith_version_open['canary', 'news@3']"] == 1
    assert found["corpusmith_version_open['leaving', 'news@1']"] == 1
    assert (found["corpusmith_answering[]"], found["corpusmith_queue[]"]) == (5, 6)


def test_the_figures_of_every_replica_are_shown_by_whichever_is_asked(tmp_path: Path) -> None:
    own, others = Metrics(lambda: STATE, lambda: 7), Metrics(lambda: STATE, lambda: 2)
    one, two, dead = (SharedMetrics(tmp_path / "metrics", name) for name in ("one", "two", "dead"))
    own.record(asked())
    for _ in range(3):
        others.record(asked())
    two.write(others.render())
    dead.write(others.render())
    os.utime(tmp_path / "metrics" / "dead.prom", (0, 0))
    shown = one.render(own.render()).decode()
    found = {
        (sample.name, sample.labels["replica"]): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
        if sample.name in ("corpusmith_requests_total", "corpusmith_in_flight", "corpusmith_request_seconds_count")
    }
    assert found == {
        ("corpusmith_requests_total", "one"): 1, ("corpusmith_requests_total", "two"): 3,
        ("corpusmith_in_flight", "one"): 7, ("corpusmith_in_flight", "two"): 2,
        ("corpusmith_request_seconds_count", "one"): 1, ("corpusmith_request_seconds_count", "two"): 3,
    }  # fmt: skip
    assert shown.count("# TYPE corpusmith_requests_total counter") == 1
    two.close()
    assert list((tmp_path / "metrics").iterdir()) == []


def test_names_that_callers_make_up_are_no_labels() -> None:
    metrics = Metrics(lambda: STATE, lambda: 0)
    for n in range(50):
        metrics.record(asked(route=f"/made/up/{n}", model=f"made-up-{n}", version="", status=404))
    text = metrics.render().decode()
    assert "made" not in text
    assert 'corpusmith_requests_total{model="",route="other",status="404",version=""} 50.0' in text


@pytest.mark.parametrize(
    ("prompts", "redact", "there"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_a_line_of_the_log_holds_what_was_said_only_when_asked(prompts: bool, redact: bool, there: bool) -> None:
    stream = io.StringIO()
    AccessLog(stream, prompts).write(asked(caller=Caller("ana", redact), passages=("a#1",)))
    line = json.loads(stream.getvalue())
    assert ("prompt" in line, "answer" in line) == (there, there)
    assert (line["status"], line["caller"], line["version"], line["passages"]) == (200, "ana", "news@2", ["a#1"])


def test_a_sink_that_fails_ends_neither_the_request_nor_the_others() -> None:
    seen: list[str] = []

    def broken(_asked: Asked) -> None:
        raise OSError("the disk is full")

    recording = Recording([broken, lambda a: seen.append("now")], [broken, lambda a: seen.append("later")])
    recording.record(asked())
    recording.record(asked())
    recording.close()
    assert sorted(seen) == ["later", "later", "now", "now"]


def test_a_slow_sink_is_not_waited_for() -> None:
    go = threading.Event()
    recording = Recording([], [lambda _asked: bool(go.wait(30)) or None], capacity=2)
    for _ in range(10):
        recording.record(asked())
    assert recording.dropped >= 7
    go.set()
    recording.close()


def test_calls_are_traced_and_what_a_caller_wants_redacted_is_not_in_them(tmp_path: Path) -> None:
    pytest.importorskip("opik")
    opik = OpikServer()
    opik.start()
    try:
        tracing = CallTracing(
            tmp_path, "r1", OpikSettings(url=opik.url), redact=lambda text: text.replace("ana@", "<mail>"), every_s=0.02
        )
        tracing.take(asked(id="a", prompt="write to ana@example.org", answer="done"))
        tracing.take(asked(id="b", caller=Caller("bo", redact=True), prompt="secret", answer="secret"))
        tracing.take(asked(id="c", route="/v1/models"))
        tracing.close(timeout_s=60)
    finally:
        opik.stop()
    sent = json.dumps(list(opik.store.traces.values()))
    assert len(opik.store.traces) == 2
    assert "write to <mail>example.org" in sent
    assert "secret" not in sent
    assert '"version": "news@2"' in sent
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_trace_server_that_is_away_costs_nothing_and_loses_nothing(tmp_path: Path) -> None:
    tracing = CallTracing(tmp_path, "r1", OpikSettings(url="http://127.0.0.1:1/api/", retries=0), every_s=60)
    tracing.take(asked())
    tracing.close(timeout_s=60)
    kept = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert [(call["id"], call["answer"]) for call in kept] == [("r1", "that")]
