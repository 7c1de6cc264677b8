"""Where a training runs: in this process, or on Ray Train when the place says so."""

from __future__ import annotations

from collections.abc import Callable

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.training.place import Place
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import TrainOutcome, TrainSpec


def launch(
    spec: TrainSpec,
    place: Place,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> TrainOutcome:
    """Train at the place; goes on from the newest checkpoint in `spec.output`.

    Raises:
        CorpusmithError: As `models.training.run.train`.
    """
    if place.on_ray:
        raise PreconditionError("Ray Train is not supported yet", hint="Train in one process: workers 1.")
    return train(spec, emit=emit, cancel=cancel)
