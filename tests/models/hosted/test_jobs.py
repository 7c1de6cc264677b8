"""The API by itself: pages, what is found again, what may be missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fine_tuning_server import BASES, Fault, FineTuningServer

from corpusmith.models.chat_errors import ModelRequestError
from corpusmith.models.hosted import jobs as hosted_jobs
from corpusmith.models.hosted.access import HostedAccess, open_client
from corpusmith.models.hosted.calls import Caller
from corpusmith.models.hosted.files import TrainingFile, chat_line, write_file
from corpusmith.models.hosted.jobs import HostedJobs
from corpusmith.models.hosted.shapes import JobOrder


@pytest.fixture
def jobs(access: Callable[..., HostedAccess]) -> Iterator[HostedJobs]:
    with open_client(access()) as client:
        yield HostedJobs(client, Caller(access()))


@pytest.fixture
def file(tmp_path: Path) -> TrainingFile:
    turns = [{"role": "user", "content": "Why — ünïcode?"}, {"role": "assistant", "content": "So.\r\n\x0c So"}]
    return write_file([chat_line(f"in#{n}", turns) for n in range(10)], tmp_path / "t.jsonl")


def order(**more: object) -> JobOrder:
    plain = {
        "base": BASES[0], "method": "sft", "epochs": 1, "batch_size": None, "learning_rate_multiplier": None,
        "beta": None, "suffix": None, "seed": 0, "training_sha256": "a", "validation_sha256": None,
    }  # fmt: skip
    return JobOrder.model_validate({**plain, **more})


def test_a_file_arrives_byte_by_byte_and_once(provider: FineTuningServer, jobs: HostedJobs, file: TrainingFile) -> None:
    name = jobs.put_file(file)
    assert file.path is not None
    assert provider.files[name].content == file.path.read_bytes()
    assert jobs.put_file(file) == name
    assert jobs.has_file(name)
    jobs.delete_file(name)
    jobs.delete_file(name)
    assert not jobs.has_file(name)


def test_jobs_and_events_are_found_over_many_pages(
    provider: FineTuningServer, jobs: HostedJobs, file: TrainingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_jobs, "PAGE", 2)
    provider.filters_jobs = False
    training = jobs.put_file(file)
    made = jobs.create(order(), training, None, {}, "once")
    for seed in range(1, 8):
        jobs.create(order(seed=seed), training, None, {}, "once")
    assert [job.id for job in jobs.find(order())] == [made.id]
    while not jobs.job(made.id).ended:
        pass
    events = jobs.events(made.id)
    assert [event.message for event in events] == [event["message"] for event in provider.events[made.id]]
    assert len(events) > 6
    assert [event.id for event in jobs.events(made.id, frozenset({events[-3].id}))] == [e.id for e in events[-2:]]


def test_an_order_is_known_by_everything_that_makes_the_model() -> None:
    changes = (
        {"base": "x"}, {"method": "dpo"}, {"epochs": 2}, {"batch_size": 1}, {"learning_rate_multiplier": 1.0},
        {"beta": 0.1}, {"suffix": "x"}, {"seed": 1}, {"training_sha256": "b"}, {"validation_sha256": "b"},
    )  # fmt: skip
    keys = {order(**change).key for change in changes} | {order().key}
    assert len(keys) == len(changes) + 1
    assert order().key == order().key


def test_what_a_provider_may_lack(provider: FineTuningServer, jobs: HostedJobs, file: TrainingFile) -> None:
    made = jobs.create(order(), jobs.put_file(file), None, {}, "once")
    provider.faults = [Fault(".*/(events|checkpoints)", 404, times=2), Fault(".*/models/.*", 404)]
    assert (jobs.events(made.id), jobs.checkpoints(made.id), jobs.lost_model("ft:x")) == ([], [], False)
    assert jobs.lost_model("ft:x")
    with pytest.raises(ModelRequestError, match="HTTP 404"):
        jobs.job("ftjob-9999")


def test_a_job_that_has_ended_cannot_be_cancelled(
    provider: FineTuningServer, jobs: HostedJobs, file: TrainingFile
) -> None:
    made = jobs.create(order(), jobs.put_file(file), None, {}, "once")
    assert jobs.cancel(made.id).status == "cancelled"
    with pytest.raises(ModelRequestError, match="already completed"):
        jobs.cancel(made.id)
