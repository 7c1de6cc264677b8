"""Where a training runs: in this process, or on Ray Train when the place says so."""

from __future__ import annotations

from collections.abc import Callable

from corpusmith.core.tools import Cancel
from corpusmith.models.training.place import Place
from corpusmith.models.training.ray_backend import train_on_ray
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
        return train_on_ray(spec, place, emit=emit, cancel=cancel)
    return train(spec, emit=emit, cancel=cancel)
