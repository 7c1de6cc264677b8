"""Whole runs in processes of their own: signals, two at once, a held run, a spent budget."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusmith.store.runs import Lease
from corpusmith.store.workspace import Workspace

Look = Callable[..., dict[str, Any]]
REQUEST = "Make a clean, deduplicated English corpus, no personal data, 60 documents, 80/10/10 split, as JSONL"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from corpusmith.evals.planting import plant

    return plant(tmp_path_factory.mktemp("planted"), profile="demo", seed=5, rows=150).corpus


def started(workspace: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "corpusmith", *words, "--workspace", str(workspace), "--json"]
    environment = {**os.environ, "CORPUSMITH_WORKERS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=200)
    assert out, err
    value: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert process.returncode == value["status"], err
    return value


def wait_for_turn(workspace: Path) -> str:
    """The id of the run, once it has decided something."""
    for _ in range(1200):
        for log in workspace.glob("runs/*/log.jsonl"):
            if b'"kind":"decision"' in log.read_bytes():
                return log.parent.name
        time.sleep(0.05)
    raise AssertionError("the run decides nothing")


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ended(started(tmp_path_factory.mktemp("undisturbed") / "ws", "run", REQUEST, "--source", str(corpus)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_at_a_safe_point_and_resume_gives_the_same_content(
    corpus: Path, tmp_path: Path, undisturbed: dict[str, Any], look: Look, number: signal.Signals
) -> None:
    process = started(tmp_path / "ws", "run", REQUEST, "--source", str(corpus))
    run_id = wait_for_turn(tmp_path / "ws")
    process.send_signal(number)
    stopped = ended(process)
    assert stopped["status"] == 130
    assert stopped["run_id"] == run_id
    assert run_id in stopped["error"]["hint"]
    shown = look("show", "last")
    assert shown["status"] == "interrupted"
    resumed = ended(started(tmp_path / "ws", "resume", run_id))
    assert resumed["dataset"]["digest"] == undisturbed["dataset"]["digest"]
    assert resumed["status"] == undisturbed["status"]
    sequence = [event["seq"] for event in events(tmp_path / "ws", run_id)]
    assert sequence == list(range(len(sequence)))


@pytest.fixture
def look(call: Any, tmp_path: Path) -> Look:
    """`look("show", "last")`: what a command of this process, which runs nothing, answers."""

    def answer(*words: str) -> dict[str, Any]:
        said = call(*words, "--workspace", str(tmp_path / "ws"), "--json")
        assert said.status == 0, said.err
        value: dict[str, Any] = said.json
        return value

    return answer


def events(workspace: Path, run_id: str) -> list[dict[str, Any]]:
    log = workspace / "runs" / run_id / "log.jsonl"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_two_runs_on_one_workspace_finish_and_can_be_looked_at(
    corpus: Path, tmp_path: Path, undisturbed: dict[str, Any], look: Look
) -> None:
    workspace = tmp_path / "ws"
    first = started(workspace, "run", REQUEST, "--source", str(corpus))
    run_id = wait_for_turn(workspace)
    second = started(workspace, "run", REQUEST, "--source", str(corpus), "--seed", "9")
    opened = Workspace.open(workspace)
    opened.approvals.ask(run_id, "publish", {"to": "elsewhere"}, {})
    opened.close()
    assert look("approve", run_id)["state"] == "granted"
    assert look("show", run_id)["status"] in ("running", "done")
    done = [ended(first), ended(second)]
    assert [each["status"] for each in done] == [undisturbed["status"]] * 2
    assert done[0]["dataset"]["digest"] == undisturbed["dataset"]["digest"]
    assert {each["dataset"]["ref"] for each in done} == {"dataset@1", "dataset@2"}
    listed = look("runs")["runs"]
    assert [run["status"] for run in listed] == ["done", "done"]


@pytest.mark.slow
def test_a_run_that_another_process_holds_is_refused(
    corpus: Path, tmp_path: Path, undisturbed: dict[str, Any], look: Look
) -> None:
    workspace = tmp_path / "ws"
    first = started(workspace, "run", REQUEST, "--source", str(corpus))
    run_id = wait_for_turn(workspace)
    first.kill()  # leaves the run unfinished; this process takes it, so that nothing here is a race
    first.communicate(timeout=100)
    held = Lease(workspace / "runs" / run_id, run_id)
    assert look("show", run_id)["status"] == "running"
    refused = ended(started(workspace, "resume", run_id))
    assert (refused["status"], refused["error"]["type"]) == (2, "RunHeldError")
    held.release()
    assert look("show", run_id)["status"] == "interrupted"
    resumed = ended(started(workspace, "resume", run_id))
    assert resumed["dataset"]["digest"] == undisturbed["dataset"]["digest"]


def test_a_spent_budget_is_status_5_and_more_time_finishes_the_run(call: Any, articles: Path) -> None:
    where = ("--workspace", "ws", "--json")
    spent = call("run", "Make a clean corpus, 10 rows", "--source", str(articles), "--max-minutes", "0.00001", *where)
    assert spent.status == spent.json["status"] == 5
    assert "resume" in spent.json["error"]["hint"]
    assert call("show", "last", *where).json["status"] == "interrupted"
    done = call("resume", "last", "--max-minutes", "10", *where)
    assert done.status in (0, 3)
    assert done.json["dataset"]["rows"] == 10
    whole = call("run", "Make a clean corpus, 10 rows", "--source", str(articles), "--workspace", "other", "--json")
    assert whole.json["dataset"]["digest"] == done.json["dataset"]["digest"]
