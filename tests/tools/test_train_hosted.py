"""Fine-tuning at a loopback provider, through the one door: approvals, money, kills, stops, bad answers."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fine_tuning_server import BASES, KEY, NOW, Fault, FineTuningServer
from pydantic import SecretStr

from corpusmith.core.errors import (
    ApprovalRequired,
    BudgetExceeded,
    Cancelled,
    CorpusmithError,
    ParameterError,
    PreconditionError,
)
from corpusmith.core.rows import Shape, set_column
from corpusmith.core.tools import Effect
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import GUARDED, Runner
from corpusmith.models.chat_errors import ModelAuthError, ModelBadReply, ModelRateLimited, ModelRequestError
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hosted.notes import NOTE_FILE
from corpusmith.models.training.spec import CurvePoint
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog
from corpusmith.store.model_evidence import manifest_of, refuse_broken_training
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace
from corpusmith.tools.train_hosted import TOOL

BASE = BASES[0]
CREATE = "POST /v1/fine_tuning/jobs"
LOOK = r"GET /v1/fine_tuning/jobs/ftjob-\d+"


@dataclass
class StopAfter:
    """A `Cancel` that raises once `when` says so."""

    when: Callable[[], bool]
    error: Callable[[], CorpusmithError] = lambda: Cancelled("run r-1 was stopped", hint="corpusmith resume r-1")

    def check(self) -> None:
        if self.when():
            raise self.error()


@dataclass
class Bench:
    server: FineTuningServer
    runner: Runner
    make: Any
    said: list[str] = field(default_factory=list)

    def rows(self, count: int = 12, held_out: int = 0) -> str:
        rows = [{"instruction": f"Who is {n}?", "input": "", "output": f"It is {n}."} for n in range(count + held_out)]
        splits = ["train"] * count + ["validation"] * held_out
        return str(self._commit(rows, Shape.INSTRUCTION, splits if held_out else None))

    def pairs(self, count: int = 12) -> str:
        rows = [{"prompt": f"Who is {n}?", "chosen": f"It is {n}.", "rejected": "No idea."} for n in range(count)]
        return str(self._commit(rows, Shape.PREFERENCE, None))

    def _commit(self, rows: list[dict[str, str]], shape: Shape, splits: list[str] | None) -> str:
        made = self.make(rows, shape=shape)
        return str((made if splits is None else self.make(set_column(made.table(), "split", [splits]))).id)

    def __call__(self, data: str, seed: int = 7, **params: Any) -> Any:
        given = {"base": BASE, "poll_s": 0.01, **params}
        return self.runner.run_step(TOOL, given, {"data": data}, seed)

    def stop_when(self, when: Callable[[], bool], error: Any = None) -> None:
        self.runner.cancel = StopAfter(when, error) if error else StopAfter(when)

    def go_on(self) -> None:
        self.runner.cancel = StopAfter(lambda: False)

    def texts(self) -> str:
        """Everything that is written in the workspace."""
        return "\n".join(
            path.read_bytes().decode("utf-8", "replace")
            for path in self.runner.workspace.root.rglob("*")
            if path.is_file()
        )


def access(server: FineTuningServer, key: str | None = KEY, **more: Any) -> HostedAccess:
    patience = {"timeout_s": 5.0, "attempts": 3, "backoff_s": 0.01, "patience_s": 60.0, **more}
    return HostedAccess(base_url=server.url, api_key=SecretStr(key) if key else None, **patience)


@pytest.fixture
def bench(tmp_path: Path, make_dataset: Any, store: Any) -> Iterator[Bench]:
    server, workspace, engine = FineTuningServer(), Workspace.open(tmp_path / "ws"), LocalEngine(workers=1)
    assert store.root == workspace.artifacts.root
    runner = Runner(
        workspace, engine, "r-1", EventLog(tmp_path, "r-1"), services={"openai": access(server)},
        approve=lambda _action, _args: "grant",
    )  # fmt: skip
    made = Bench(server, runner, make_dataset)
    runner.emit = made.said.append
    yield made
    engine.close()
    workspace.close()
    server.close()


# What comes of it ---------------------------------------------------------------------------------------------------


def test_a_model_is_trained_and_everything_that_was_told_is_recorded(bench: Bench) -> None:
    data = bench.rows(12, held_out=3)
    done = bench(data, suffix="news", epochs=2, price_per_million_tokens=5.0, price_source="the provider's list")
    name = f"ft:{BASE}:org:news:0001"
    assert done.result["model"] == name
    manifest = manifest_of(done.artifact)
    assert (manifest.kind, manifest.digest, manifest.location, manifest.name) == ("hosted", name, name, "news")
    assert (done.result["rows"], done.result["validation_rows"], done.result["steps"]) == (12, 3, 4)
    job = bench.server.jobs["ftjob-0001"]
    assert done.result["tokens_billed"] == job["trained_tokens"] < done.result["tokens_estimated"]
    assert done.result["usd"] == pytest.approx(job["trained_tokens"] * 5e-6)
    assert (job["seed"], job["metadata"]["corpusmith_data"]) == (7, data)
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    told = json.loads(done.artifact.file("train.json").read_text())
    assert [point["loss"] for point in told["curve"]] == bench.server.losses
    assert (told["loss"], told["holdout_loss"]) == (1.0, pytest.approx(1.2))
    assert told["seconds"] == NOW + 600 - (NOW + 1)
    assert not {"mfu", "tokens_per_s", "peak_memory_bytes", "flops_per_token", "loss_tokens"} & told.keys()
    assert [CurvePoint(**point).step for point in told["curve"]] == [1, 2, 3, 4]
    events = [json.loads(line) for line in done.artifact.file("events.jsonl").read_text().splitlines()]
    assert events[0]["message"].startswith("Created")
    assert events[-1]["message"] == "The job has successfully completed"
    assert any("Step 4/4: training loss=1.00" in line for line in bench.said)
    assert any("USD" in line for line in bench.said)
    refuse_broken_training(done.artifact)


def test_what_is_sent_is_what_format_renders(bench: Bench) -> None:
    bench(bench.rows(), system="Be short.")
    (file,) = bench.server.files.values()
    first = json.loads(file.content.split(b"\n")[0])
    assert first == {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Who is 0?"},
            {"role": "assistant", "content": "It is 0."},
        ]
    }


def test_preference_pairs_are_trained_by_dpo(bench: Bench) -> None:
    done = bench(bench.pairs(), method="dpo", beta=0.2, learning_rate_multiplier=1.5, batch_size=4)
    assert bench.server.jobs[done.result["job"]]["method"] == {
        "type": "dpo",
        "dpo": {"hyperparameters": {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.5, "beta": 0.2}},
    }
    (file,) = bench.server.files.values()
    assert json.loads(file.content.split(b"\n")[0])["non_preferred_output"][0]["content"] == "No idea."


def test_a_finished_step_is_not_done_again_and_another_seed_is_another_job(bench: Bench) -> None:
    data = bench.rows()
    first = bench(data)
    assert bench(data).cached
    other = bench(data, seed=8)
    assert other.id != first.id
    assert len(bench.server.jobs) == 2
    assert len(bench.server.files) == 1  # the same content is sent once


def test_the_same_order_with_other_limits_finds_the_job_that_was_paid(bench: Bench) -> None:
    data = bench.rows()
    first = bench(data)
    again = bench(data, poll_s=0.02, max_cost_usd=3.0, price_per_million_tokens=1.0)
    assert (again.cached, again.result["model"]) == (False, first.result["model"])
    assert bench.server.posts() == 1


def test_a_model_that_was_deleted_at_the_provider_is_trained_anew(bench: Bench) -> None:
    data = bench.rows()
    first = bench(data)
    bench.server.models.remove(first.result["model"])
    again = bench(data, poll_s=0.02)
    assert again.result["model"] != first.result["model"]
    assert len(bench.server.jobs) == 2


def test_a_provider_that_tells_no_losses_has_none_invented(bench: Bench) -> None:
    bench.server.losses = []
    done = bench(bench.rows())
    assert (done.result["steps"], done.result["training_loss"], done.result["nan"]) == (None, None, False)
    assert json.loads(done.artifact.file("train.json").read_text())["curve"] == []
    refuse_broken_training(done.artifact)


def test_a_loss_that_is_no_number_is_told_and_keeps_the_model_out_of_the_registry(bench: Bench) -> None:
    bench.server.losses = [1.0, float("nan")]
    done = bench(bench.rows())
    assert done.result["nan"]
    with pytest.raises(PreconditionError, match="no number"):
        refuse_broken_training(done.artifact)


def test_a_provider_without_a_filter_events_or_checkpoints_will_do(bench: Bench) -> None:
    data = bench.rows()
    bench(bench.rows(13), seed=1)
    bench.server.filters_jobs = False
    bench.server.faults = [Fault(r".*/(events|checkpoints)", 404, times=99), Fault("GET /v1/models/.*", 404, times=99)]
    done = bench(data)
    assert done.result["job"] == "ftjob-0002"
    assert bench(data, poll_s=0.02).result["job"] == "ftjob-0002"


def test_uploaded_files_are_deleted_when_that_is_asked_for(bench: Bench) -> None:
    bench(bench.rows(12, held_out=2), delete_files=True)
    assert bench.server.files == {}
    assert len(bench.server.jobs) == 1


def test_it_can_be_registered(bench: Bench) -> None:
    made = bench(bench.rows())
    workspace = bench.runner.workspace
    registry = ModelRegistry(workspace.database, workspace.artifacts, lambda _folder: "", "tester")
    version = registry.register("news", made.id)
    assert (version.digest, version.kind) == (made.result["model"], "hosted")


# Approval and money -------------------------------------------------------------------------------------------------


def test_nothing_is_sent_without_an_approval(bench: Bench) -> None:
    assert GUARDED & TOOL.effects == {Effect.SPEND_MONEY}
    data = bench.rows()
    bench.runner.approve = lambda _action, _args: "ask"
    with pytest.raises(ApprovalRequired) as caught:
        bench(data)
    bench.runner.workspace.approvals.decide("r-1", False, "ann", "here", caught.value.fields["action"])
    with pytest.raises(PreconditionError, match="denied"):
        bench(data)
    assert bench.server.asked == []


def test_a_granted_approval_starts_one_job(bench: Bench) -> None:
    data = bench.rows()
    bench.runner.approve = lambda _action, _args: "ask"
    with pytest.raises(ApprovalRequired) as caught:
        bench(data)
    bench.runner.workspace.approvals.decide("r-1", True, "ann", "here", caught.value.fields["action"])
    assert bench(data).result["job"] == "ftjob-0001"


@pytest.mark.parametrize(
    ("params", "rows", "error", "named"),
    [
        ({"max_cost_usd": 0.001, "price_per_million_tokens": 100.0}, 12, PreconditionError, "above the 0.001 USD"),
        ({}, 9, PreconditionError, "9 examples, and the provider takes no fewer than 10"),
        ({}, 0, PreconditionError, "0 examples"),
        ({"method": "dpo"}, 12, ParameterError, "needs preference rows"),
        ({"beta": 0.1}, 12, ParameterError, "beta"),
        ({"epochs": 51}, 12, ParameterError, "epochs"),
        ({"suffix": "x" * 65}, 12, ParameterError, "suffix"),
        ({"base": ""}, 12, ParameterError, "base"),
    ],
)
def test_what_cannot_work_is_refused_before_anybody_is_asked(
    bench: Bench, params: dict[str, Any], rows: int, error: type[Exception], named: str
) -> None:
    asked: list[str] = []
    bench.runner.approve = lambda action, _args: asked.append(action) or "grant"  # type: ignore[func-returns-value]
    with pytest.raises(error, match=named):
        bench(bench.rows(rows), **params)
    assert (asked, bench.server.asked) == ([], [])


def test_an_empty_training_split_is_refused(bench: Bench) -> None:
    with pytest.raises(PreconditionError, match="0 examples in split tarin"):
        bench(bench.rows(12, held_out=2), split="tarin")
    with pytest.raises(ParameterError, match="held-out rows"):
        bench(bench.rows(12, held_out=2), split="validation")
    assert bench.server.asked == []


def test_rows_that_teach_nothing_are_left_out_and_in_the_ledger(bench: Bench) -> None:
    data = bench._commit(
        [{"instruction": f"Ask {n}", "input": "", "output": "" if n == 3 else "Yes."} for n in range(12)],
        Shape.INSTRUCTION,
        None,
    )
    done = bench(data)
    assert (done.result["rows"], done.result["dropped"]) == (11, {"empty_response": 1})
    assert done.artifact.record.counts.dropped == {"empty_response": 1}


def budget(bench: Bench, **limits: float) -> BudgetAccount:
    account = BudgetAccount(bench.runner.workspace.database, "r-1", limits)
    bench.runner.budget = account
    return account


def test_the_budget_of_a_run_is_asked_before_and_charged_with_what_was_billed(bench: Bench) -> None:
    account = budget(bench, cost_usd=1.0)
    done = bench(bench.rows(), price_per_million_tokens=10.0)
    assert account.spent("cost_usd") == pytest.approx(done.result["usd"])
    with pytest.raises(BudgetExceeded, match="needs"):
        bench(bench.rows(), price_per_million_tokens=1e6, seed=2)
    with pytest.raises(PreconditionError, match="no price"):
        bench(bench.rows(), seed=3)
    assert bench.server.posts() == 1


def test_a_price_may_come_from_the_settings_and_a_limit_needs_one(bench: Bench) -> None:
    data = bench.rows()
    with pytest.raises(PreconditionError, match="no price of a token is known"):
        bench(data, max_cost_usd=5.0)
    bench.runner.services = {"openai": access(bench.server, prices={BASE: 1e6})}
    with pytest.raises(PreconditionError, match="above the 5 USD allowed"):
        bench(data, max_cost_usd=5.0)
    assert bench.server.posts("/v1/files") == 0
    bench.runner.services = {"openai": access(bench.server, prices={BASE: 8.0})}
    done = bench(data, max_cost_usd=5.0)
    assert done.result["usd"] == pytest.approx(done.result["tokens_billed"] * 8e-6)
    assert "FINE_TUNING_PRICES" in done.artifact.file("train.json").read_text()


def test_a_failed_job_gives_the_budget_back(bench: Bench) -> None:
    account = budget(bench, cost_usd=1.0)
    bench.server.course = ["running", "failed"]
    with pytest.raises(PreconditionError, match="failed: server_error: the machine broke down"):
        bench(bench.rows(), price_per_million_tokens=10.0)
    assert account.spent("cost_usd") == pytest.approx(0.0)


# Never twice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, None])
def test_an_answer_that_was_lost_is_looked_for_and_not_asked_again(bench: Bench, status: int | None) -> None:
    bench.server.faults = [Fault(CREATE, status, done=True)]
    assert bench(bench.rows()).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1


def test_a_garbled_answer_to_an_order_is_looked_for(bench: Bench) -> None:
    bench.server.faults = [Fault(CREATE, done=True, body=b"<html>gateway</html>")]
    assert bench(bench.rows()).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1


def test_an_order_that_did_not_arrive_is_sent_again_under_the_same_key(bench: Bench) -> None:
    bench.server.faults = [Fault(CREATE, 500), Fault(CREATE, 429, headers={"retry-after": "0.01"})]
    assert bench(bench.rows()).result["job"] == "ftjob-0001"
    sent = zip(bench.server.asked, bench.server.headers, strict=True)
    keys = [headers["idempotency-key"] for line, headers in sent if line == CREATE]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_orders_that_fail_on_and_on_end_in_an_error_and_the_next_attempt_looks_first(bench: Bench) -> None:
    data = bench.rows()
    bench.server.faults = [Fault(CREATE, 500, times=3)]
    with pytest.raises(CorpusmithError, match="failed"):
        bench(data)
    bench.server.faults = [Fault(CREATE, 500, done=True)]
    assert bench(data).result["job"] == "ftjob-0001"
    assert len(bench.server.jobs) == 1


def test_an_upload_whose_answer_was_lost_is_found(bench: Bench) -> None:
    bench.server.faults = [Fault("POST /v1/files", None, done=True)]
    bench(bench.rows())
    assert len(bench.server.files) == 1


def test_a_file_that_was_deleted_meanwhile_is_sent_again(bench: Bench) -> None:
    data = bench.rows()
    bench.server.faults = [Fault(CREATE, 400)]
    with pytest.raises(ModelRequestError):
        bench(data)
    bench.server.files.clear()
    assert bench(data).result["job"] == "ftjob-0001"


class Killed(BaseException):
    """Ends a step as a kill would: nothing of ours runs after it but what `finally` holds."""


@pytest.mark.parametrize("moment", ["before the note", "after the note", "while it runs"])
def test_a_killed_step_finds_its_job(bench: Bench, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, account = bench.rows(), budget(bench, cost_usd=1.0)
    from corpusmith.models.hosted.pursuit import Pursuit

    def killed(*_args: Any, **_more: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before the note":
            real = Pursuit._ask
            patch.setattr(Pursuit, "_ask", lambda self, *args: killed(real(self, *args)))
        elif moment == "after the note":
            patch.setattr("corpusmith.models.hosted.purse.Purse.ordered", killed)
        else:
            patch.setattr(Pursuit, "_ended", killed)
        with pytest.raises(Killed):
            bench(data, price_per_million_tokens=10.0)
    assert len(bench.server.jobs) == 1
    done = bench(data, price_per_million_tokens=10.0)
    assert done.result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1
    assert bench.server.posts("/v1/files") == 1
    assert account.spent("cost_usd") == pytest.approx(done.result["usd"])


SCRIPT = """
import sys
from pathlib import Path
from pydantic import SecretStr
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.store.workspace import Workspace
from corpusmith.tools.train_hosted import TOOL

root, url, key, base, data = sys.argv[1:]
access = HostedAccess(base_url=url, api_key=SecretStr(key))
runner = Runner(
    Workspace.open(Path(root)), LocalEngine(workers=1), services={"openai": access}, approve=lambda *_: "grant"
)
runner.run_step(TOOL, {"base": base, "poll_s": 0.01}, {"data": data}, 7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", [CREATE, "GET /v1/fine_tuning/jobs/ftjob-0001"])
def test_a_process_that_is_killed_leaves_a_job_that_the_next_one_finds(bench: Bench, at: str) -> None:
    data = bench.rows()
    root = bench.runner.workspace.root
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), bench.server.url, KEY, BASE, data])

    def kill(line: str) -> None:
        if line == at:
            os.kill(process.pid, signal.SIGKILL)

    bench.server.before_answer = kill
    assert process.wait(60) == -signal.SIGKILL
    bench.server.before_answer = lambda _line: None
    assert len(bench.server.jobs) == 1
    assert bench(data).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1
    assert len(bench.server.files) == 1


# Stopping -----------------------------------------------------------------------------------------------------------


def running(bench: Bench) -> Callable[[], bool]:
    return lambda: any(job["status"] == "running" for job in bench.server.jobs.values())


def test_ctrl_c_leaves_the_job_and_the_next_run_goes_on_with_it(bench: Bench) -> None:
    data = bench.rows()
    bench.stop_when(running(bench))
    with pytest.raises(Cancelled, match="r-1 was stopped; job ftjob-0001 goes on at") as caught:
        bench(data)
    assert caught.value.hint == "corpusmith resume r-1"
    assert bench.server.jobs["ftjob-0001"]["status"] == "running"
    bench.go_on()
    assert bench(data).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1


def test_a_job_is_cancelled_only_when_that_was_asked_for(bench: Bench) -> None:
    data = bench.rows()
    spent = lambda: BudgetExceeded("the time budget is spent", hint="corpusmith resume r-1", account="minutes")  # noqa: E731
    bench.stop_when(running(bench), spent)
    with pytest.raises(BudgetExceeded, match="job ftjob-0001 was cancelled, as asked") as caught:
        bench(data, when_stopped="cancel")
    assert caught.value.fields["account"] == "minutes"
    assert bench.server.jobs["ftjob-0001"]["status"] == "cancelled"
    bench.go_on()
    assert bench(data, when_stopped="cancel").result["job"] == "ftjob-0002"


def test_a_job_that_cannot_be_cancelled_is_said_to_go_on(bench: Bench) -> None:
    bench.stop_when(running(bench))
    bench.server.faults = [Fault(".*/cancel", 400)]
    with pytest.raises(Cancelled, match="could not be cancelled and may go on"):
        bench(bench.rows(), when_stopped="cancel")


def test_stopped_while_the_order_is_in_doubt_says_so(bench: Bench) -> None:
    data = bench.rows()
    bench.server.faults = [Fault(CREATE, None, done=True)]
    bench.stop_when(lambda: bool(bench.server.jobs))
    with pytest.raises(Cancelled, match="a job may have been ordered"):
        bench(data)
    bench.go_on()
    assert bench(data).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1


# Bad answers --------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_says_why_and_the_next_attempt_orders_another(bench: Bench) -> None:
    data = bench.rows()
    bench.server.course = ["running", "failed"]
    with pytest.raises(PreconditionError, match="ftjob-0001 failed: server_error: the machine broke down") as caught:
        bench(data)
    assert caught.value.fields == {"job": "ftjob-0001", "status": "failed"}
    bench.server.course = ["running", "succeeded"]
    assert bench(data).result["job"] == "ftjob-0002"


def test_a_file_that_the_provider_finds_invalid_is_a_clear_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fine_tuning_server.LEAST_EXAMPLES", 20)
    with pytest.raises(PreconditionError, match=r"invalid_training_file: Training file has 12 example\(s\)"):
        bench(bench.rows())


def test_a_job_that_was_cancelled_on_the_dashboard_is_told(bench: Bench) -> None:
    def cancel(line: str) -> None:
        if line == "GET /v1/fine_tuning/jobs/ftjob-0001/events":
            bench.server.jobs["ftjob-0001"]["status"] = "cancelled"

    bench.server.before_answer = cancel
    with pytest.raises(PreconditionError, match="ftjob-0001 was cancelled at the provider"):
        bench(bench.rows())


def test_a_job_that_the_provider_does_not_know_any_more_is_not_ordered_again(bench: Bench) -> None:
    data = bench.rows()
    bench.stop_when(running(bench))
    with pytest.raises(Cancelled):
        bench(data)
    bench.go_on()
    bench.server.jobs.clear()
    with pytest.raises(PreconditionError, match="does not know the job ftjob-0001") as caught:
        bench(data)
    assert NOTE_FILE in caught.value.hint
    assert bench.server.posts() == 1


def test_an_unknown_status_is_one_that_has_not_ended(bench: Bench) -> None:
    bench.server.course = ["queued", "paused", "running", "succeeded"]
    assert bench(bench.rows()).result["model"]
    assert any("paused" in line for line in bench.said)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(LOOK, 429, times=2, headers={"retry-after": "0.01"}),
        Fault(LOOK, 500, times=2),
        Fault(LOOK, None, times=2),
        Fault(LOOK, times=2, body=b"<html>bad gateway</html>"),
        Fault(LOOK, times=2, body=b'{"id": "ftjob-0001"}'),
        Fault(LOOK, 502, times=7),
        Fault(r"GET .*/events", 503, times=7),
    ],
)
def test_a_bad_night_is_waited_out(bench: Bench, fault: Fault) -> None:
    bench.server.faults = [Fault(**vars(fault))]
    assert bench(bench.rows()).result["job"] == "ftjob-0001"


def test_an_answer_that_hangs_is_given_up_and_asked_again(bench: Bench) -> None:
    bench.runner.services = {"openai": access(bench.server, timeout_s=0.2)}
    bench.server.faults = [Fault(LOOK, hang_s=0.5)]
    assert bench(bench.rows()).result["job"] == "ftjob-0001"


def test_a_provider_that_stays_away_too_long_is_an_error_and_nothing_is_lost(bench: Bench) -> None:
    data = bench.rows()
    bench.runner.services = {"openai": access(bench.server, patience_s=0.0)}
    bench.server.faults = [Fault(LOOK, times=10_000, body=b"nonsense")]
    with pytest.raises(ModelBadReply, match="cannot be read"):
        bench(data)
    bench.server.faults = []
    assert bench(data).result["job"] == "ftjob-0001"
    assert bench.server.posts() == 1


def test_an_unknown_base_is_refused_in_the_providers_words(bench: Bench) -> None:
    with pytest.raises(ModelRequestError, match="Model gpt-9 cannot be fine-tuned") as caught:
        bench(bench.rows(), base="gpt-9")
    assert caught.value.exit_status == 2
    assert bench.server.jobs == {}


def test_a_server_that_does_not_fine_tune_is_told_apart(bench: Bench) -> None:
    bench.server.faults = [Fault("GET /v1/fine_tuning/jobs", 404)]
    with pytest.raises(ModelRequestError, match="HTTP 404") as caught:
        bench(bench.rows())
    assert "OPENAI_BASE_URL" in caught.value.hint


def test_a_spent_account_is_not_asked_again(bench: Bench) -> None:
    bench.server.faults = [Fault(CREATE, 429, code="insufficient_quota", times=9)]
    with pytest.raises(ModelRateLimited, match="quota is spent"):
        bench(bench.rows())
    assert bench.server.posts() == 1


def test_a_provider_that_wants_long_peace_is_not_waited_for(bench: Bench) -> None:
    bench.server.faults = [Fault(CREATE, 429, headers={"retry-after": "9999"}, times=9)]
    with pytest.raises(ModelRateLimited) as caught:
        bench(bench.rows())
    assert caught.value.retry_after == 9999
    assert bench.server.posts() == 1


def test_a_wrong_key_is_said_and_shown_nowhere(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "sk-wrong-0123456789"
    bench.runner.services = {"openai": access(bench.server, wrong)}
    with pytest.raises(ModelAuthError, match="refuses the key") as caught:
        bench(bench.rows())
    assert caught.value.exit_status == 2
    told = f"{caught.value}{caught.value.fields}{bench.said}{bench.texts()}{caplog.text}"
    assert "sk-" not in told
    assert wrong not in told


def test_no_key_is_said_before_anything_is_sent(bench: Bench) -> None:
    bench.runner.services = {}
    with pytest.raises(ModelAuthError, match="needs a key") as caught:
        bench(bench.rows())
    assert "OPENAI_API_KEY" in caught.value.hint


def test_the_key_is_in_no_record_message_or_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    data = bench.rows()
    real = bench.server.look

    def leaky(name: str) -> dict[str, Any]:
        job = real(name)
        bench.server._tell(bench.server.jobs[name], f"authorised by Bearer {KEY}")
        return job

    bench.server.look = leaky  # type: ignore[method-assign]
    bench.server.course = ["running", "failed"]
    with pytest.raises(PreconditionError):
        bench(data)
    bench.server.course = ["running", "succeeded"]
    bench(data)
    told = f"{bench.texts()}{bench.said}{caplog.text}"
    assert "authorised by" in told
    assert KEY not in told


def test_a_damaged_note_is_not_overlooked(bench: Bench) -> None:
    data = bench.rows()
    bench.stop_when(running(bench))
    with pytest.raises(Cancelled):
        bench(data)
    bench.go_on()
    (note,) = (bench.runner.workspace.root / "staging").glob(f"*/files/{NOTE_FILE}")
    note.write_bytes(b"{")
    with pytest.raises(PreconditionError, match="is damaged"):
        bench(data)
    assert bench.server.posts() == 1
