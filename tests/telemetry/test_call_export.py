"""Calls on their way from the spool to a loopback Opik: none lost, none there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opik_server import OpikServer

from corpusmith.telemetry.call_export import export_calls
from corpusmith.telemetry.call_spool import CallSpool, cursor_of, is_written
from corpusmith.telemetry.opik_settings import ExportResult, OpikSettings


def call(n: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"req-{n}", "time": 1_767_323_045.0 + n, "route": "/v1/chat/completions", "status": 200, "caller": "ana",
        "model": "news", "version": "news@1", "prompt_tokens": 3, "answer_tokens": 4, "seconds": 0.5,
        "first_token_s": 0.1, "prompt": [{"role": "user", "content": f"question {n}"}], "answer": f"answer {n}", **more,
    }  # fmt: skip


def settings_for(server: OpikServer) -> OpikSettings:
    return OpikSettings(url=server.url, batch=4, retries=0)


def fill(folder: Path, count: int, **given: Any) -> CallSpool:
    spool = CallSpool(folder, "replica", **given)
    for n in range(count):
        spool.append(call(n))
    return spool


def test_calls_arrive_whole_and_a_file_that_is_done_with_is_deleted(opik: OpikServer, tmp_path: Path) -> None:
    spool = fill(tmp_path, 10)
    settings = settings_for(opik)
    assert export_calls(tmp_path, settings) == ExportResult(10, 0, None)
    assert len(opik.store.traces) == len(opik.store.spans) == 10
    trace = next(t for t in opik.store.traces.values() if t["output"] == {"answer": "answer 7"})
    assert trace["input"] == {"prompt": [{"role": "user", "content": "question 7"}]}
    assert trace["start_time"] < trace["end_time"]
    span = next(s for s in opik.store.spans.values() if s["trace_id"] == trace["id"])
    assert (span["type"], span["model"], span["usage"]["total_tokens"]) == ("llm", "news@1", 7)
    assert span["metadata"]["first_token_s"] == 0.1
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["replica-000000.jsonl"]  # it still grows
    spool.append(call(10))
    assert export_calls(tmp_path, settings) == ExportResult(1, 0, None)
    spool.close()
    assert export_calls(tmp_path, settings) == ExportResult(0, 0, None)
    assert list(tmp_path.glob("replica*")) == []
    assert opik.store.writes["traces"] == 11


@pytest.mark.parametrize("fault", [500, "drop"])
@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_a_server_that_fails_on_the_way_gets_the_rest_later(
    opik: OpikServer, tmp_path: Path, fault: int | str, at: int
) -> None:
    fill(tmp_path, 10).close()
    opik.faults = [None] * at + [fault]
    first = export_calls(tmp_path, settings_for(opik))
    assert first.error is not None
    assert (first.exported, first.pending) == (at // 2 * 4, 10 - at // 2 * 4)
    assert export_calls(tmp_path, settings_for(opik)) == ExportResult(first.pending, 0, None)
    assert len(opik.store.traces) == len(opik.store.spans) == 10


def test_without_a_server_nothing_is_sent_and_nothing_lost(tmp_path: Path) -> None:
    fill(tmp_path, 3).close()
    assert export_calls(tmp_path, OpikSettings()) == ExportResult(0, 3, None)
    assert export_calls(tmp_path / "none", OpikSettings()) == ExportResult(0, 0, None)


def test_what_was_cut_off_or_damaged_does_not_stop_the_rest(opik: OpikServer, tmp_path: Path) -> None:
    fill(tmp_path, 2).close()
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b'{"id": "x"\n[1]\n' + b'{"id": "half')
    assert export_calls(tmp_path, settings_for(opik)).exported == 2
    assert not path.exists()


def test_two_exports_at_once_do_not_meet(opik: OpikServer, tmp_path: Path) -> None:
    from corpusmith.telemetry import call_export

    fill(tmp_path, 2).close()
    with call_export._alone(tmp_path):
        assert export_calls(tmp_path, settings_for(opik)) == ExportResult(0, 2, "another export is at work")


def test_strings_go_through_the_mask(opik: OpikServer, tmp_path: Path) -> None:
    fill(tmp_path, 1).close()
    export_calls(tmp_path, settings_for(opik), redact=lambda text: text.replace("question", "[hidden]"))
    assert next(iter(opik.store.traces.values()))["input"]["prompt"][0]["content"] == "[hidden] 0"


def test_files_begin_anew_at_their_size_and_the_oldest_is_given_up(tmp_path: Path) -> None:
    spool = fill(tmp_path, 20, file_bytes=1000, most_files=3)
    files = sorted(tmp_path.glob("*.jsonl"))
    assert len(files) == 3
    assert spool.lost_files > 0
    assert [is_written(path) for path in files] == [False, False, True]
    assert all(path.stat().st_size <= 1000 for path in files)
    assert not cursor_of(tmp_path / "replica-000000.jsonl").exists()
    spool.close()
