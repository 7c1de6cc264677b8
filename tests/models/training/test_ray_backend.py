"""Ray Train: the same weights as in process, a dead worker costs steps and nothing else, a stop stops."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from corpusmith.core.errors import BudgetExceeded, PreconditionError, WorkspaceError
from corpusmith.models.ray_cluster import ray_cluster
from corpusmith.models.training.launch import launch
from corpusmith.models.training.place import Place
from corpusmith.models.training.ray_backend import train_on_ray
from corpusmith.models.training.run import train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\.context"),  # Ray 2.60 warns of itself
]
ONE, TWO = Place(backend="ray"), Place(backend="ray", workers=2)


@pytest.fixture(scope="module")
def ray_started() -> Iterator[bool]:
    """One Ray for all tests here, started as the backend starts it."""
    listening = signal.getsignal(signal.SIGTERM)
    with ray_cluster(TWO) as own:
        assert signal.getsignal(signal.SIGTERM) is listening
        yield own


def weights(outcome: Any) -> dict[str, torch.Tensor]:
    return load_file(next(Path(outcome.final).glob("*.safetensors")))


def workers() -> list[psutil.Process]:
    """Processes in which Ray trains."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


class KillOnce:
    """Takes progress lines; kills one worker when the training has passed a step."""

    def __init__(self, step: int) -> None:
        self.step, self.killed, self.lines = step, False, list[str]()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        found = re.match(r"step (\d+)/", line)
        if found and int(found[1]) >= self.step and not self.killed:
            self.killed = True
            os.kill(workers()[-1].pid, signal.SIGKILL)


def close_to(got: Any, wanted: Any) -> None:
    mine, theirs = weights(got), weights(wanted)
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=1e-3, atol=2e-5)


def test_one_worker_ends_with_the_weights_of_this_process(
    ray_started: bool, spec: Callable[..., Any], tmp_path: Path
) -> None:
    assert ray_started
    lines: list[str] = []
    here = train(spec("lora", output=str(tmp_path / "here"), holdout=spec().data))
    there = launch(spec("lora", holdout=spec().data), ONE, emit=lines.append)
    assert (there.steps, there.tokens, there.loss_tokens) == (here.steps, here.tokens, here.loss_tokens)
    assert (there.workers, there.restarts, there.resumed_from) == (1, 0, None)
    assert there.loss == pytest.approx(here.loss, rel=1e-5)
    assert there.holdout_loss == pytest.approx(here.holdout_loss, rel=1e-5)
    close_to(there, here)
    assert "ray" in there.versions
    assert any("holdout loss" in line for line in lines)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"checkpoint-10", "checkpoint-12", "final"}


MANY = {"steps": 100, "checkpoint_every": 20}
"""Enough steps for a kill to find the training at work."""


@pytest.fixture
def undisturbed(spec: Callable[..., Any], many: str, tmp_path: Path) -> Any:
    """The outcome of the training that tests kill, in this process and left alone."""
    return train(spec("lora", output=str(tmp_path / "here"), data=many, **MANY | {"checkpoint_every": 1000}))


@pytest.fixture
def many(prepared: Any, rows: Any) -> str:
    return str(prepared(rows(64), "many.parquet"))


@pytest.mark.parametrize("place", [ONE, TWO])
def test_a_killed_worker_costs_only_the_steps_since_its_checkpoint(
    ray_started: bool, spec: Callable[..., Any], many: str, undisturbed: Any, place: Place
) -> None:
    kill = KillOnce(25)
    outcome = train_on_ray(spec("lora", data=many, **MANY | {"rows_per_step": 4 // place.workers}), place, emit=kill)
    assert kill.killed
    assert (outcome.restarts, outcome.workers, outcome.steps) == (1, place.workers, undisturbed.steps)
    assert outcome.resumed_from is not None
    assert 20 <= outcome.resumed_from < 100
    assert outcome.resumed_from % 20 == 0
    assert (outcome.tokens, outcome.loss_tokens) == (undisturbed.tokens, undisturbed.loss_tokens)
    assert outcome.loss == pytest.approx(undisturbed.loss, rel=1e-3)
    if place.workers == 1:
        close_to(outcome, undisturbed)
    assert any("from checkpoint-" in line for line in kill.lines)


class Stop:
    """Stops a training once it is at work."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if any(line.startswith("step ") for line in self.lines):
            raise BudgetExceeded("spent")


def test_what_died_too_often_or_was_stopped_goes_on_from_its_checkpoint_wherever_it_is_started(
    ray_started: bool, spec: Callable[..., Any], many: str, undisturbed: Any, tmp_path: Path
) -> None:
    def kept() -> int:
        return max(int(path.name.split("-")[1]) for path in (tmp_path / "out").glob("checkpoint-*"))

    one, two = spec("lora", data=many, **MANY), spec("lora", data=many, rows_per_step=2, **MANY)
    with pytest.raises(Exception, match="workers failed") as caught:
        train_on_ray(one, Place(backend="ray", max_failures=0), emit=KillOnce(25))
    assert "goes on from the last checkpoint" in str(caught.value)
    died = kept()
    assert 20 <= died < 100
    stop = Stop()
    with pytest.raises(BudgetExceeded):
        train_on_ray(two, TWO, emit=stop, cancel=stop)
    assert f"from checkpoint-{died}" in stop.lines[0]
    assert not (tmp_path / "out" / "final").exists()
    stopped = kept()
    assert died < stopped < 100
    outcome = train(one)
    assert (outcome.steps, outcome.resumed_from) == (100, stopped)
    assert (outcome.tokens, outcome.loss_tokens) == (undisturbed.tokens, undisturbed.loss_tokens)
    close_to(outcome, undisturbed)


def test_an_error_of_ours_is_told_and_not_tried_again(ray_started: bool, spec: Callable[..., Any]) -> None:
    with pytest.raises(PreconditionError, match="QLoRA needs"):
        train_on_ray(spec("qlora"), ONE)
    with pytest.raises(PreconditionError, match=r"workers were asked for, and Ray has \d+ CPUs"):
        train_on_ray(spec("lora"), Place(backend="ray", workers=500))


def test_a_full_disk_is_one_clear_error(ray_started: bool, spec: Callable[..., Any], disk: Path) -> None:
    def fill(line: str) -> None:
        """Once there is a checkpoint to go on from: how far the worker is when a line arrives is anyone's guess."""
        kept = list((disk / "out").glob("checkpoint-*/corpusmith.json"))
        if line.startswith("step ") and kept and not (disk / "ballast").exists():
            (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - (20 << 10)))

    said = {"output": str(disk / "out"), "steps": 100, "checkpoint_every": 10}
    with pytest.raises(WorkspaceError, match="full"):
        train_on_ray(spec("none", **said), ONE, emit=fill)
    (disk / "ballast").unlink()
    assert train(spec("none", **said)).resumed_from
