"""A training on Ray Train: the loop of `run.train` in each worker, restarted from its checkpoint when a worker dies.

Driver and workers share `spec.output` (on several machines: a shared file system), where the loop keeps checkpoints
that are whole or not there. Ray is told where each one is (a pointer of a few bytes), so it copies no weights, and
`output/.ray` is gone when the training ends.

Traps avoided, each of them seen with Ray 2.60 and TRL 1.16:

- Workers read the prepared Parquet, never a live Ray split: that deadlocks with the barriers of the trainers.
- Ray's own report callback copies every checkpoint twice and lets every rank report it. Ours has rank 0 pass the
  pointer, and every rank report as often, since `report` is a barrier.
- `get_checkpoint` answers with what this very run reported, too: it is asked once, before anything is reported.
- Workers may stand in another folder than the driver: all paths are absolute.
- `fit` takes SIGINT for itself in the main thread: it runs in another one, and the driver's `cancel` reaches rank 0 by
  a file, from there all workers at the same step; they write a checkpoint and return.
- An error of ours (a full disk, a wrong base) is not what a restart can heal: the next attempt returns at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from corpusmith.core.errors import BudgetExceeded, Cancelled, CorpusmithError, PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.ray_cluster import ray_cluster
from corpusmith.models.training.checkpoints import RECORD, full_disk_is_told
from corpusmith.models.training.place import Place
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import TrainOutcome, TrainSpec

FOLDER = ".ray"
LINES, STOP, ATTEMPTS, REFUSED, OUTCOME, POINTER = (
    "lines.txt", "stop", "attempts", "refused.pickle", "outcome.json", "checkpoint.json",
)  # fmt: skip
LOOK_S = 0.2


def train_on_ray(
    spec: TrainSpec,
    place: Place,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> TrainOutcome:
    """Train with `place.workers` workers; goes on from the newest checkpoint in `spec.output`.

    Args:
        spec: What to train; its paths are absolute.
        place: How many workers, on which cluster, how many restarts.
        emit: Takes the progress lines of rank 0.
        cancel: Asked about five times a second; a stop writes a checkpoint first.

    Raises:
        PreconditionError: Ray is not there, has fewer devices than workers, or as `train`.
        CorpusmithError: As `train`; or workers died more often than `place.max_failures`.
        Cancelled, BudgetExceeded: As `cancel` said; a later call goes on from the checkpoint.
    """
    output = Path(spec.output)
    name = uuid.uuid4().hex[:12]
    tray = output / FOLDER / f"{name}.tray"
    with full_disk_is_told(output):
        shutil.rmtree(output / FOLDER, ignore_errors=True)  # of a driver that was killed
        tray.mkdir(parents=True)
    try:
        with ray_cluster(place) as own:
            trainer = _trainer(spec, place, name, tray, own)
            stopped = _fit(trainer, tray, emit, cancel)
            version: str = import_module("ray").__version__
        attempts = (tray / ATTEMPTS).read_text().count("\n") if (tray / ATTEMPTS).exists() else 0
        if (tray / OUTCOME).exists():
            outcome = TrainOutcome.model_validate_json((tray / OUTCOME).read_bytes())
            more = {"restarts": max(0, attempts - 1), "versions": outcome.versions | {"ray": version}}
            return outcome.model_copy(update=more)
        if stopped is not None:
            raise stopped
        raise _kept_error(tray) or CorpusmithError("the workers ended without a model", hint="Run the step again.")
    finally:
        shutil.rmtree(output / FOLDER, ignore_errors=True)


def _trainer(spec: TrainSpec, place: Place, name: str, tray: Path, own: bool) -> Any:
    """Ray's trainer.

    Raises:
        PreconditionError: The cluster has fewer devices than workers.
    """
    ray, ray_train, ray_torch = (import_module(module) for module in ("ray", "ray.train", "ray.train.torch"))
    there = ray.cluster_resources()
    gpu = there.get("GPU", 0) >= 1
    have, kind = (there.get("GPU", 0), "GPUs") if gpu else (there.get("CPU", 0), "CPUs")
    if have < place.workers:
        raise PreconditionError(
            f"{place.workers} workers were asked for, and Ray has {have:g} {kind}", hint="Ask for fewer workers."
        )
    cpus = max(1, int(there.get("CPU", 1)) // place.workers) if own and not gpu else 1
    return ray_torch.TorchTrainer(
        _worker,
        train_loop_config={"spec": spec.model_dump_json(), "tray": str(tray)},
        scaling_config=ray_train.ScalingConfig(
            num_workers=place.workers, use_gpu=gpu, resources_per_worker={"CPU": cpus, **({"GPU": 1} if gpu else {})}
        ),
        run_config=ray_train.RunConfig(
            name=name,
            storage_path=str(tray.parent.absolute()),
            failure_config=ray_train.FailureConfig(max_failures=place.max_failures),
            checkpoint_config=ray_train.CheckpointConfig(num_to_keep=spec.keep_checkpoints),
        ),
    )


def _fit(
    trainer: Any, tray: Path, emit: Callable[[str], None], cancel: Cancel | None
) -> Cancelled | BudgetExceeded | None:
    """Run the trainer to its end; returns the stop that was asked for, if one was."""
    failed: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    stopped: Cancelled | BudgetExceeded | None = None
    thread, told = threading.Thread(target=fit, name="ray-train", daemon=True), 0
    thread.start()
    while thread.is_alive():
        thread.join(LOOK_S)
        told = _tell(tray / LINES, told, emit)
        if stopped is None and cancel is not None:
            try:
                cancel.check()
            except (Cancelled, BudgetExceeded) as error:
                stopped = error
                (tray / STOP).touch()
    _tell(tray / LINES, told, emit)
    if failed:
        raise _ours(failed[0], tray) from failed[0]
    return stopped


def _tell(path: Path, told: int, emit: Callable[[str], None]) -> int:
    """Emit the whole lines behind byte `told`; returns where they end."""
    if not path.exists():
        return told
    with path.open("rb") as file:
        file.seek(told)
        news = file.read()
    whole = news[: news.rfind(b"\n") + 1]
    for line in whole.decode("utf-8", "replace").splitlines():
        emit(line)
    return told + len(whole)


def _ours(error: BaseException, tray: Path) -> CorpusmithError:
    """The error of ours that ended the workers, else one that says what Ray says."""
    for failure in getattr(error, "worker_failures", {}).values():
        inner = getattr(failure, "_base_exc", failure)
        if isinstance(inner, CorpusmithError):
            return inner
    kept = _kept_error(tray)
    if kept is not None:
        return kept
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return CorpusmithError(
        f"the training's workers failed: {lines[-1]}",
        hint="Run the step again: it goes on from the last checkpoint. Workers' logs are in Ray's session folder.",
    )


def _kept_error(tray: Path) -> CorpusmithError | None:
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
        kept = pickle.loads((tray / REFUSED).read_bytes())  # noqa: S301 - written by our own worker
        return kept if isinstance(kept, CorpusmithError) else None
    return None


# ---- in the workers


def _worker(config: dict[str, Any]) -> None:
    """One worker's training."""
    ray_train = import_module("ray.train")
    spec, tray = TrainSpec.model_validate_json(config["spec"]), Path(config["tray"])
    first = ray_train.get_context().get_world_rank() == 0
    if _kept_error(tray) is not None:
        return
    if first:
        with (tray / ATTEMPTS).open("a") as file:
            file.write("attempt\n")

    def emit(line: str) -> None:
        with contextlib.suppress(OSError), (tray / LINES).open("a", encoding="utf-8") as file:
            file.write(line.replace("\n", " ") + "\n")

    def report(folder: Path, step: int, metrics: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as pointer:
            Path(pointer, POINTER).write_text(json.dumps({"checkpoint": str(folder), "step": step}), "utf-8")
            passed = ray_train.Checkpoint.from_directory(pointer) if first else None
            ray_train.report(metrics, checkpoint=passed)

    try:
        outcome = train(
            spec,
            emit=emit if first else lambda _line: None,
            cancel=_Together(tray / STOP),
            on_checkpoint=report,
            resume=_reported(ray_train.get_checkpoint()),
        )
    except (Cancelled, BudgetExceeded):
        return
    except CorpusmithError as error:
        with contextlib.suppress(OSError):  # a full disk may not even take this; then Ray hands the error over
            (tray / REFUSED).write_bytes(pickle.dumps(error))
        raise
    if first:
        with full_disk_is_told(Path(spec.output)):
            (tray / f"{OUTCOME}.part").write_text(outcome.model_dump_json(), "utf-8")
            (tray / f"{OUTCOME}.part").replace(tray / OUTCOME)


def _reported(checkpoint: Any) -> Path | None:
    """The folder that the newest reported checkpoint points at, if it is still whole; None = look in the output."""
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        found = Path(json.loads(Path(folder, POINTER).read_text("utf-8"))["checkpoint"])
    return found if (found / RECORD).is_file() else None


class _Together:
    """The driver's stop, seen by all workers at the same step: rank 0 looks, the others are told."""

    def __init__(self, flag: Path) -> None:
        from torch import distributed

        self._flag = flag
        self._first = distributed.get_rank() == 0
        self._group = distributed.new_group(backend="gloo") if distributed.get_world_size() > 1 else None

    def check(self) -> None:
        """Raise Cancelled when the driver asked for a stop; all workers call it equally often."""
        asked = self._first and os.path.lexists(self._flag)
        if self._group is not None:
            import torch

            said = torch.tensor([int(asked)])
            torch.distributed.broadcast(said, 0, group=self._group)
            asked = bool(said.item())
        if asked:
            raise Cancelled("the driver stops the training")
