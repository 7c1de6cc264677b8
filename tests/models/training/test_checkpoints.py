"""Interrupted trainings end as undisturbed ones do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import corpusmith
from corpusmith.core.errors import Cancelled, NotFoundError, PreconditionError, WorkspaceError
from corpusmith.models.training.run import train

Spec = Callable[..., Any]


class StopAfter:
    """Cancels at the n-th look."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def check(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cancelled("stopped")


def same(first: Any, second: Any) -> bool:
    files = [next(Path(outcome.final).glob("*.safetensors")) for outcome in (first, second)]
    mine, theirs = map(load_file, files)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_stopped_and_gone_on_is_bitwise_undisturbed(spec: Spec, tmp_path: Path, adapter: str) -> None:
    said: dict[str, Any] = {"settings": {"dropout": 0.1}, "holdout": spec().data}
    whole = train(spec(adapter, output=str(tmp_path / "whole"), **said))
    broken = spec(adapter, **said)
    with pytest.raises(Cancelled):
        train(broken, cancel=StopAfter(7))
    assert not (tmp_path / "out" / "final").exists()
    assert (tmp_path / "out" / "checkpoint-7").is_dir()
    resumed = train(broken, cancel=StopAfter(100))
    assert (resumed.resumed_from, resumed.steps) == (7, 12)
    assert same(resumed, whole)
    assert (resumed.loss, resumed.tokens, resumed.loss_tokens) == (whole.loss, whole.tokens, whole.loss_tokens)
    assert [p.loss for p in resumed.curve if p.loss is not None] == [p.loss for p in whole.curve if p.loss is not None]


def test_any_checkpoint_will_do(spec: Spec, tmp_path: Path) -> None:
    whole = train(spec(output=str(tmp_path / "whole"), keep_checkpoints=9))
    again = train(spec(), resume=tmp_path / "whole" / "checkpoint-5")
    assert again.resumed_from == 5
    assert same(again, whole)


def test_a_finished_training_is_finished_again(spec: Spec) -> None:
    first = train(spec())
    again = train(spec())
    assert (again.steps, again.resumed_from, again.loss, again.tokens) == (12, 12, first.loss, first.tokens)
    assert same(first, again)


def test_another_trainings_checkpoint_is_refused(spec: Spec, tmp_path: Path) -> None:
    train(spec(steps=5))
    with pytest.raises(PreconditionError, match="another training"):
        train(spec(steps=6))
    with pytest.raises(NotFoundError, match="no complete checkpoint"):
        train(spec(), resume=tmp_path / "nothing")
    (tmp_path / "out" / "checkpoint-5" / "corpusmith.json").unlink()  # half-written: as if it were not there
    assert train(spec(steps=6)).resumed_from is None


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import TrainSpec
torch.set_num_threads(1)
class Kill:
    looks = 0
    def check(self):
        self.looks += 1
        if self.looks == 8:
            os.kill(os.getpid(), signal.SIGKILL)
train(TrainSpec.model_validate_json(Path(sys.argv[1]).read_text()), cancel=Kill())
"""


@pytest.mark.slow
def test_killed_and_gone_on_is_bitwise_undisturbed(spec: Spec, tmp_path: Path) -> None:
    whole = train(spec("lora", output=str(tmp_path / "whole"), settings={"dropout": 0.1}))
    broken = spec("lora", settings={"dropout": 0.1})
    (tmp_path / "spec.json").write_text(broken.model_dump_json())
    env = os.environ | {"PYTHONPATH": str(Path(corpusmith.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "spec.json")], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    resumed = train(broken)
    assert (resumed.resumed_from, resumed.steps, resumed.loss) == (5, 12, whole.loss)
    assert same(resumed, whole)


@pytest.mark.parametrize("left_kib", [0, 40, 150, 250, 400])
def test_a_full_disk_is_one_clear_error_and_it_goes_on_later(spec: Spec, disk: Path, left_kib: int) -> None:
    output = disk / "out"

    def fill(_folder: Path, step: int, _metrics: Any) -> None:
        if step == 5:
            free = shutil.disk_usage(disk).free
            (disk / "ballast").write_bytes(b"x" * (free - (left_kib << 10)))

    with pytest.raises(WorkspaceError, match="full"):
        train(spec(output=str(output)), on_checkpoint=fill)
    assert [path.name for path in output.glob("checkpoint-*")] == ["checkpoint-5"]
    assert not (output / ".partial").exists()
    (disk / "ballast").unlink()
    assert train(spec(output=str(output))).resumed_from == 5
