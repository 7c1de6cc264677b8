"""The real SDK against a loopback server: whatever goes wrong, nothing is lost and nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from opik_server import OpikServer
from pydantic import SecretStr
from run_logs import RUN, RunLog

from corpusmith.core.errors import ParameterError
from corpusmith.telemetry import ExportResult, OpikSettings, export_run, run_trace_id
from corpusmith.telemetry.log_reader import read_log
from corpusmith.telemetry.trace_tree import trace_of

KEY = "opik-secret-key-93"


def settings_for(server: OpikServer, **given: object) -> OpikSettings:
    return OpikSettings(url=server.url, api_key=SecretStr(KEY), batch=4, **given)  # type: ignore[arg-type]


def export(log: RunLog, settings: OpikSettings, waits: list[float] | None = None) -> ExportResult:
    return export_run(log.path, log.cursor, settings, sleep=(waits if waits is not None else []).append)


def assert_all_there(server: OpikServer, log: RunLog, settings: OpikSettings) -> None:
    """The store holds exactly the records of the log, complete."""
    trace = trace_of(read_log(log.path), settings.destination())
    store = server.store
    assert list(store.traces) == [trace.id]
    assert store.traces[trace.id]["output"] == trace.output
    assert store.traces[trace.id]["metadata"]["events"] == log.seq
    assert {id: span.get("output") for id, span in store.spans.items()} == {s.id: s.output or None for s in trace.spans}
    assert all(span["end_time"] and span["trace_id"] == trace.id for span in store.spans.values())
    wanted = {("spans", s.id, name): value for s in trace.spans for name, value in s.scores.items()}
    wanted |= {("traces", trace.id, name): value for name, value in trace.scores.items()}
    assert store.scores == wanted


def test_a_run_arrives_whole(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.whole()
    assert export(log, settings) == ExportResult(log.seq, 0, None)
    assert_all_there(opik, log, settings)
    trace = opik.store.traces[run_trace_id(log.path, settings) or ""]
    assert (trace["thread_id"], trace["project_name"], trace["source"]) == (RUN, "corpusmith", "sdk")
    assert trace["start_time"] == "2026-01-02T03:04:05.250000Z"
    assert trace["tags"] == ["corpusmith", "passed"]
    calls = [span for span in opik.store.spans.values() if span["type"] == "llm"]
    assert calls[0]["usage"]["total_tokens"] == 120
    assert calls[0]["total_estimated_cost"] == 0.001
    assert opik.headers["authorization"] == KEY
    assert opik.headers["comet-workspace"] == "default"

    opik.requests.clear()
    assert export(log, settings) == ExportResult(0, 0, None)
    assert opik.requests == []


def test_server_away_and_back_the_next_day(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.whole()
    opik.stop()
    waits: list[float] = []
    result = export(log, settings, waits)
    assert (result.exported, result.pending) == (0, log.seq)
    assert "not reached" in str(result.error)
    assert KEY not in str(result.error)
    assert len(waits) == settings.retries
    assert not log.cursor.exists()

    opik.start()
    assert export(log, settings) == ExportResult(log.seq, 0, None)
    assert_all_there(opik, log, settings)


@pytest.mark.parametrize("requests", [1, 2, 3, 6])
@pytest.mark.parametrize("fault", ["die", "drop", "page", 500])
def test_server_failing_in_the_middle(opik: OpikServer, log: RunLog, fault: str | int, requests: int) -> None:
    settings = settings_for(opik, retries=0)
    log.whole()
    opik.faults = [*[None] * (requests - 1), fault]
    first = export(log, settings)
    assert first.exported + first.pending == log.seq
    assert (first.error is None) == (first.pending == 0)
    second = export(log, settings)
    assert second == ExportResult(first.pending, 0, None)
    assert_all_there(opik, log, settings)


def test_progress_survives_a_failure(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik, retries=0)
    log.whole()
    opik.faults = [None, None, None, None, 500]
    first = export(log, settings)
    assert first.exported > 0
    assert first.pending > 0
    sent = opik.store.writes["spans"]
    export(log, settings)
    assert opik.store.writes["spans"] - sent < len(opik.store.spans)
    assert_all_there(opik, log, settings)


def test_busy_server_is_asked_again_when_it_says(opik: OpikServer, log: RunLog) -> None:
    log.whole(1)
    opik.faults = [429, 503]
    waits: list[float] = []
    assert export(log, settings_for(opik), waits).error is None
    assert waits == [7.0, 1.0]


def test_refusal_is_reported_at_once_and_without_the_key(opik: OpikServer, log: RunLog) -> None:
    log.whole(1)
    opik.faults = [401]
    waits: list[float] = []
    result = export(log, settings_for(opik), waits)
    assert result.error is not None
    assert "401" in result.error
    assert "OPIK_API_KEY" in result.error
    assert KEY not in result.error
    assert waits == []
    assert len(opik.requests) == 1


def test_a_run_exported_while_it_goes_on(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.started()
    assert export(log, settings).pending == 0
    for number in range(2):
        before = log.seq
        log.turn(number, after=0.1)
        assert export(log, settings) == ExportResult(log.seq - before, 0, None)
    log.add("decision", decision={"id": "open", "chosen": "stop"})
    log.add("step_started", step="s", tool="format", params={}, inputs={})
    export(log, settings)
    assert sum(span["end_time"] is None for span in opik.store.spans.values()) == 2
    assert next(iter(opik.store.traces.values()))["end_time"] is None
    log.add("step_finished", step="s", tool="format", status="done")
    log.finished()
    assert export(log, settings).error is None
    assert_all_there(opik, log, settings)


def test_half_written_last_line_waits_for_its_end(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.whole(1)
    raw = log.path.read_bytes()
    log.path.write_bytes(raw[:-10])
    assert export(log, settings) == ExportResult(log.seq - 1, 0, None)
    log.path.write_bytes(raw)
    assert export(log, settings) == ExportResult(1, 0, None)
    assert_all_there(opik, log, settings)


def test_lost_cursor_changes_nothing(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.whole()
    export(log, settings)
    log.cursor.unlink()
    assert export(log, settings) == ExportResult(log.seq, 0, None)
    assert_all_there(opik, log, settings)


def test_another_project_gets_everything(opik: OpikServer, log: RunLog) -> None:
    log.whole(1)
    export(log, settings_for(opik))
    assert export(log, settings_for(opik, project="other")).exported == log.seq
    assert sorted(trace["project_name"] for trace in opik.store.traces.values()) == ["corpusmith", "other"]


def test_prompts_are_registered_once(opik: OpikServer, log: RunLog) -> None:
    settings = settings_for(opik)
    log.whole(1)
    for _ in range(2):
        export_run(log.path, log.cursor, settings, prompts={"decide@2": "Choose one."})
        log.cursor.unlink()
    ((name, commit), version) = next(iter(opik.store.prompts.items()))
    assert len(opik.store.prompts) == 1
    assert (name, version["template"], version["metadata"]) == ("decide", "Choose one.", {"version": "2"})
    named = [span["metadata"]["prompt"] for span in opik.store.spans.values() if "prompt" in span.get("metadata", {})]
    assert named == [{"name": "decide", "version": "2", "commit": commit}]


def test_redaction_reaches_every_string(opik: OpikServer, log: RunLog) -> None:
    log.started()
    export_run(log.path, log.cursor, settings_for(opik), redact=lambda text: text.replace("articles", "[path]"))
    (trace,) = opik.store.traces.values()
    assert trace["input"] == {"request": {"text": "clean ./[path]"}}


def test_empty_log(opik: OpikServer, log: RunLog) -> None:
    assert export(log, settings_for(opik)) == ExportResult(0, 0, None)
    assert opik.requests == []


def test_without_a_url_nothing_is_imported_or_sent(log: RunLog) -> None:
    log.whole(1)
    code = (
        "import sys\nfrom pathlib import Path\nfrom corpusmith.telemetry import *\n"
        f"print(tuple(export_run(Path({str(log.path)!r}), Path({str(log.cursor)!r}), OpikSettings())))\n"
        "print('opik' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"(0, {log.seq}, None)", "False"]
    assert not log.cursor.exists()


@pytest.mark.parametrize(("given", "meant"), [(None, "false"), ("true", "true")])
def test_the_sdks_own_reporting_is_off_unless_turned_on(
    opik: OpikServer, log: RunLog, monkeypatch: pytest.MonkeyPatch, given: str | None, meant: str
) -> None:
    for switch in ("OPIK_SENTRY_ENABLE", "OPIK_ANALYTICS_ENABLE"):
        monkeypatch.delenv(switch, raising=False)
        if given:
            monkeypatch.setenv(switch, given)
    export(log.whole(1), settings_for(opik))
    assert {os.environ[switch] for switch in ("OPIK_SENTRY_ENABLE", "OPIK_ANALYTICS_ENABLE")} == {meant}


def test_missing_package_names_the_extra(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opik", None)
    with pytest.raises(ParameterError, match=r"pip install 'corpusmith\[opik\]'"):
        export(log.whole(1), OpikSettings(url="http://127.0.0.1:9/"))


@pytest.mark.parametrize("url", ["", "localhost:5173", "ftp://host/", "http://", "http://["])
def test_unusable_address(log: RunLog, url: str) -> None:
    with pytest.raises(ParameterError, match="OPIK_URL_OVERRIDE"):
        export(log.whole(1), OpikSettings(url=url))


def test_key_is_in_no_text() -> None:
    settings = OpikSettings(url="http://127.0.0.1:9/", api_key=SecretStr(KEY))
    assert KEY not in f"{settings!r} {settings.model_dump_json()}"
