"""Ends an endpoint on Ray from outside, when who holds it up does not: the last resort of `endpoint stop --force`.

Ray starts replicas again that are killed, so it has to be told first. On a cluster that was joined, Serve is asked to
delete the application, in a process of its own that is given up after a while; then the holder is killed. A Ray that
the holder started for itself ends with the holder.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from corpusmith.store.processes import send
from corpusmith.store.servers import Server

_log = logging.getLogger(__name__)


def end_on_ray(name: str, holders: Sequence[Server], timeout_s: float) -> None:
    """Have Serve forget the application on every cluster that was joined, then kill who held it up."""
    for address in {holder.address for holder in holders if holder.address}:
        try:
            words = [sys.executable, "-m", "corpusmith.models.serving.ray_ending", str(address), name]
            subprocess.run(words, timeout=timeout_s, check=True, capture_output=True)
        except (subprocess.SubprocessError, OSError) as error:
            _log.warning("Ray Serve at %s did not delete %s: %s", address, name, error)
    for holder in holders:
        send(holder.pid, holder.began, signal.SIGKILL)


def main() -> None:
    """`python -m corpusmith.models.serving.ray_ending ADDRESS NAME`."""
    address, name = sys.argv[1:]
    ray: Any = import_module("ray")
    ray.init(address=address, log_to_driver=False, configure_logging=False)
    import_module("ray.serve").delete(name, _blocking=False)
    ray.shutdown()


if __name__ == "__main__":
    main()
