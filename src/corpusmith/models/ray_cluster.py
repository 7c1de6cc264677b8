"""The Ray that work runs on: the one that is running already, one joined by address, or one of this machine alone.

Whoever starts it stops it. Nothing is told to anybody: no usage statistics, no dashboard, no metrics of trainings. Ray
takes SIGTERM for itself as it starts; it is given back to whoever listened before.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training.place import Place

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # how soon a dead worker is seen
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or a worker without a GPU warns
}
ALONE = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
"""On this machine alone nobody takes a node away, and the watcher is one more process for each training."""


@contextmanager
def ray_cluster(place: Place) -> Iterator[bool]:
    """Ray, running; yields whether it was started here, for this work alone.

    Raises:
        PreconditionError: Ray is not installed, or no cluster answers at `place.address`.
    """
    if find_spec("ray") is None:
        raise PreconditionError("Ray is asked for and not installed", hint="pip install 'corpusmith[train]'")
    with _environment(QUIET if place.address else QUIET | ALONE):
        ray: Any = import_module("ray")
        if ray.is_initialized():
            yield False
            return
        said: dict[str, Any] = {"address": place.address}
        if place.address is None:
            cpus = max(os.cpu_count() or 1, place.workers)
            said = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(log_to_driver=False, configure_logging=False, **said)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise PreconditionError(
                f"Ray cannot be reached at {place.address or 'this machine'}: {first}",
                hint="Check the address of the cluster, or train in one process.",
            ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
        try:
            yield place.address is None
        finally:
            ray.shutdown()


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set what is not set, and take it back."""
    mine = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)
