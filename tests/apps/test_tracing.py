"""Runs and suites reach a real Opik SDK's server: at once, the next day, and never twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opik_server import OpikServer

ASK = "Make a clean, deduplicated English corpus, no personal data"


@pytest.fixture
def opik() -> Iterator[OpikServer]:
    server = OpikServer()
    server.start()
    yield server
    server.stop()


def spans(server: OpikServer) -> dict[str, Any]:
    return {key: span["name"] for key, span in server.store.spans.items()}


def test_a_run_is_traced_with_its_decisions_and_scores(
    call: Any, articles: Path, opik: OpikServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", opik.url)
    done = call("run", ASK, "--source", str(articles), "--workspace", "ws", "--json")
    assert done.status == 0, done.err
    (trace,) = opik.store.traces.values()
    assert trace["thread_id"] == done.json["run_id"]
    assert trace["end_time"]
    names = list(spans(opik).values())
    assert any("profile" in name for name in names)
    assert any("deliver" in name for name in names)
    assert opik.store.scores
    before = spans(opik)
    again = call("trace", "export", "all", "--workspace", "ws", "--json")
    assert again.status == 0
    assert spans(opik) == before


def test_a_server_that_is_away_for_the_whole_run_gets_everything_the_next_day(
    call: Any, articles: Path, opik: OpikServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", opik.url)
    opik.stop()
    done = call("run", ASK, "--source", str(articles), "--workspace", "ws", "--json")
    assert done.status == 0, done.err
    assert "trace export" in done.err
    assert not opik.store.traces
    opik.start()
    assert call("trace", "export", "last", "--workspace", "ws", "--json").status == 0
    assert len(opik.store.traces) == 1
    assert any("deliver" in name for name in spans(opik).values())


def test_without_a_server_nothing_is_sent_and_that_is_said(call: Any, articles: Path) -> None:
    assert "OPIK_URL_OVERRIDE" not in os.environ
    assert call("run", ASK, "--source", str(articles), "--workspace", "ws", "--json").status == 0
    refused = call("trace", "export", "last", "--workspace", "ws", "--json")
    assert refused.status == 2
    assert "OPIK_URL_OVERRIDE" in refused.err


@pytest.mark.slow
def test_the_suite_becomes_experiments_over_one_dataset(
    call: Any, opik: OpikServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPIK_URL_OVERRIDE", opik.url)
    done = call("eval", "--out", "suite", "--rows", "150", "--json")
    assert done.status == 0, done.err
    assert len(opik.store.experiments) == 3
    assert len(opik.store.datasets) == 1
    assert len(opik.store.items) == 3
    assert len(opik.store.traces) == 9
