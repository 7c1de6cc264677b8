"""Checkpoints that are whole or not there, and what they remember beside weights, optimizer and random states.

`output/checkpoint-N` is written under `output/.partial` and renamed when complete. Its `corpusmith.json` holds the
identity of the training (so that another one does not go on from it) and the record so far.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from corpusmith.core.errors import NotFoundError, PreconditionError, WorkspaceError
from corpusmith.models.training.spec import TrainSpec

PARTIAL = ".partial"
RECORD = "corpusmith.json"
_ELSEWHERE = {
    "model", "start_adapter", "data", "holdout", "output", "rows_per_step", "checkpoint_every", "keep_checkpoints",
    "gradient_checkpointing", "fsdp", "report_to", "run_name",
}  # fmt: skip
"""Parts of a specification that may differ between a checkpoint and the training that goes on from it."""


@dataclass
class Record:
    """What a training knows of itself so far; saved with each checkpoint.

    Attributes:
        curve: Points, as mappings of `CurvePoint`.
        tokens: Tokens seen, without padding.
        loss_tokens: Tokens that bore loss.
        seconds: Time spent training, without checkpoints and holdout.
        parts: Into how many parts a batch is divided (1 until memory runs out).
        halvings: How often memory ran out.
    """

    curve: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    loss_tokens: int = 0
    seconds: float = 0.0
    parts: int = 1
    halvings: int = 0


def identity(spec: TrainSpec) -> str:
    """Digest of what two calls must share to be one training."""
    said = spec.model_dump(mode="json", exclude=_ELSEWHERE)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.name.rsplit("-", 1)[-1])


def complete(output: Path) -> list[Path]:
    """The checkpoints in `output`, oldest first."""
    found = [folder for folder in output.glob("checkpoint-*") if (folder / RECORD).is_file()]
    return sorted(found, key=step_of)


def to_resume(spec: TrainSpec, wanted: Path | None) -> Path | None:
    """The checkpoint to go on from: the one given, else the newest in the output folder, else None.

    Raises:
        NotFoundError: The one given is not a complete checkpoint.
        PreconditionError: It belongs to another training.
    """
    if wanted is not None and not (wanted / RECORD).is_file():
        raise NotFoundError(f"no complete checkpoint at {wanted}", hint="name a folder checkpoint-N")
    newest = wanted or next(reversed(complete(Path(spec.output))), None)
    if newest is None:
        return None
    if json.loads((newest / RECORD).read_text(encoding="utf-8"))["training"] != identity(spec):
        raise PreconditionError(
            f"{newest} is a checkpoint of another training", hint="give another output folder, or remove it"
        )
    return newest


def read_record(checkpoint: Path) -> Record:
    """The record in a checkpoint."""
    return Record(**json.loads((checkpoint / RECORD).read_text(encoding="utf-8"))["record"])


def write_record(folder: Path, spec: TrainSpec, record: Record) -> None:
    """Write the record into a checkpoint that is being made."""
    said = {"training": identity(spec), "record": asdict(record)}
    (folder / RECORD).write_text(json.dumps(said), encoding="utf-8")


def publish(made: Path, place: Path) -> None:
    """Move a finished folder to its place, replacing what is there."""
    if place.exists():
        shutil.rmtree(place)
    made.rename(place)


def prune(output: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints."""
    for old in complete(output)[:-keep]:
        shutil.rmtree(old)


@contextmanager
def full_disk_is_told(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one clear error, and leave nothing half-written under `folder`/.partial.

    Raises:
        WorkspaceError: The disk is full or cannot be written.
    """
    try:
        yield
    except _write_errors() as error:
        reason = _disk_error(error, folder)
        if reason is None:
            raise
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)
        raise WorkspaceError(
            f"{reason} at {folder}", hint="make room, then start again: it goes on from the last checkpoint"
        ) from error


def _write_errors() -> tuple[type[Exception], ...]:
    """What a failed write raises; safetensors' own error only where it is at work: the base install goes without."""
    library: Any = sys.modules.get("safetensors")
    return (OSError, RuntimeError) if library is None else (OSError, RuntimeError, library.SafetensorError)


def _disk_error(error: Exception, folder: Path) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return "the disk is full"
    if number in (errno.EROFS, errno.EACCES):
        return "the folder cannot be written"
    torn = any(sign in str(error) for sign in ("PytorchStreamWriter", "inline_container", "iostream error"))
    if torn and shutil.disk_usage(folder).free < 64 << 20:
        return "the disk is full"
    return None
