"""The endpoint on Ray Serve: replicas that come under load and go after it, behind one address.

Each replica is a whole server (`ray_replica.py`) with its own engine, which follows the registry by itself: a promotion
needs nothing of Ray. Serve's proxy listens, spreads the requests, and tells the controller how many are at work; past
`Scaling.target` for each replica it starts more, below it takes some away. The Ray is the one that runs, one joined by
`RAY_ADDRESS`, or one of this machine alone (`models.ray_cluster`).

What Serve's defaults would do to a batching engine: 5 requests at a time for each replica, 30 s until one is added,
10 minutes until one is taken away. `Scaling` has other ones.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.models.ray_cluster import ray_cluster
from corpusmith.models.serving.ray_replica import END, HINT, REFUSED, Make, RayReplica
from corpusmith.models.serving.server import ServeOptions
from corpusmith.models.serving.sockets import listen, url_at
from corpusmith.models.training.place import Place

DEPLOYMENT = "replica"
HASTE_S = 10.0
"""Seconds that replicas get to close their models when nothing is waited for."""
_PAUSE_S = 0.1
_TOLD = re.compile(f"{REFUSED}(.*?){HINT}(.*?){END}", re.DOTALL)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scaling:
    """How many replicas there are, and when.

    Attributes:
        least: Replicas that are there always, at least 1.
        most: Most replicas.
        target: Requests at work that are right for one replica.
        together: Most requests that one replica is sent at a time; the others wait in the proxy.
        waiting: Most requests that wait there; one more is answered 503.
        up_s: Seconds that the load must be above the target before replicas are added.
        down_s: Seconds that it must be below it before some are taken away.
        look_s: Seconds over which the load is averaged.
        cpus: Processors that a replica takes of Ray's.
        gpus: GPUs, or a part of one.
    """

    least: int = 1
    most: int = 4
    target: float = 16.0
    together: int = 128
    waiting: int = 512
    up_s: float = 3.0
    down_s: float = 30.0
    look_s: float = 5.0
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ParameterError(
                f"{self.least} to {self.most} replicas are no range", hint="Give 1 or more, the smaller first."
            )


@dataclass
class RayEndpoint:
    """An endpoint that answers.

    Attributes:
        url: Where it listens.
        name: Of the application in Serve.
    """

    url: str
    name: str
    drain_s: float
    _stack: ExitStack = field(repr=False)
    _stopped: bool = field(default=False, repr=False)

    def replicas(self) -> int:
        """Replicas that answer now."""
        return self.states().get("RUNNING", 0)

    def states(self) -> dict[str, int]:
        """Replicas by the state that Serve gives them: RUNNING, STARTING, STOPPING."""
        serve: Any = import_module("ray.serve")
        application = serve.status().applications.get(self.name)
        deployment = application.deployments.get(DEPLOYMENT) if application else None
        return {str(getattr(s, "value", s)): n for s, n in deployment.replica_states.items()} if deployment else {}

    def stop(self, in_haste: Callable[[], bool] = lambda: False) -> None:
        """Let the requests at work finish in every replica, then end what was started; the second time, nothing.

        Args:
            in_haste: Asked meanwhile: whether to wait for the requests no longer.
        """
        if self._stopped:
            return
        self._stopped = True
        try:
            if not self._drain(in_haste):
                self._tell("end", HASTE_S)
        except Exception as error:  # noqa: BLE001 - whatever ails the cluster, the rest is still to be ended
            _log.warning("the replicas did not drain: %s", error)
        finally:
            self._stack.close()

    def _drain(self, in_haste: Callable[[], bool]) -> bool:
        """Whether every replica drained; False as soon as there is haste."""
        ray: Any = import_module("ray")
        told = self._told("drain")
        ends = time.monotonic() + self.drain_s + 30
        while not ray.wait([told], timeout=_PAUSE_S)[0]:
            if in_haste() or time.monotonic() > ends:
                return False
        ray.get(told)
        ends = time.monotonic() + self.drain_s
        while self.states().get("STOPPING", 0):  # let go before, with requests at work: no drain is sent to them
            if in_haste() or time.monotonic() > ends:
                return False
            time.sleep(_PAUSE_S)
        return True

    def _tell(self, what: str, timeout_s: float) -> None:
        import_module("ray").get(self._told(what), timeout=timeout_s)

    def _told(self, what: str) -> Any:
        return import_module("ray").remote(_tell_all).options(num_cpus=0).remote(self.name, what)


def _tell_all(name: str, what: str) -> None:
    """In a process of Ray's: a handle leaves threads behind that outlive the cluster.

    A replica that is gone by now fails, and the others are waited for all the same.
    """
    serve: Any = import_module("ray.serve")
    found = serve.get_deployment_handle(DEPLOYMENT, name).broadcast(what).results(return_exceptions=True)
    for error in found:
        if isinstance(error, Exception):
            _log.info("a replica did not %s: %s", what, error)


def serve_on_ray(
    make: Make,
    name: str,
    host: str,
    port: int,
    *,
    options: ServeOptions | None = None,
    scaling: Scaling | None = None,
    address: str | None = None,
    start_s: float = 600.0,
) -> RayEndpoint:
    """Serve until `stop` is called; returns when the first replicas answer.

    Args:
        make: Makes the parts of a server, in each replica; pickled, so it must be a function of a module.
        name: Of the application in Serve: the endpoint's.
        host: Where the proxy listens.
        port: Its port; 0 = a free one.
        options: How each replica serves; pickled.
        scaling: How many replicas, and when.
        address: Ray cluster to join; None = the one that runs in this process, or one of this machine.
        start_s: Most seconds until the first replicas answer.

    Raises:
        PreconditionError: Ray is not there, too small or occupied, or the version that is wanted cannot be served.
        ParameterError: The port is in use.
    """
    options, scaling = options or ServeOptions(), scaling or Scaling()
    if address is None or port == 0:  # Serve takes no socket, only a port; who serves on a cluster may use it already
        with listen(host, port) as listener:
            port = listener.getsockname()[1]
    for check in ("READY", "HEALTH"):  # after 5 and 10 s Serve kills a proxy that a busy machine lets wait
        os.environ.setdefault(f"RAY_SERVE_PROXY_{check}_CHECK_TIMEOUT_S", "60")
    with ExitStack() as stack:
        stack.enter_context(ray_cluster(Place(workers=scaling.most, address=address)))
        _refuse_too_small(scaling)
        serve: Any = import_module("ray.serve")
        url = _start_proxy(serve, host, port)
        stack.callback(serve.delete, name)
        _deploy(serve, name, _deployment(serve, options, scaling).bind(make, options, url), start_s)
        return RayEndpoint(url, name, options.drain_s, stack.pop_all())


def _deployment(serve: Any, options: ServeOptions, scaling: Scaling) -> Any:
    return serve.deployment(
        serve.ingress()(RayReplica),
        name=DEPLOYMENT,
        max_ongoing_requests=scaling.together,
        max_queued_requests=scaling.waiting,
        autoscaling_config={
            "min_replicas": scaling.least,
            "max_replicas": scaling.most,
            "target_ongoing_requests": scaling.target,
            "upscale_delay_s": scaling.up_s,
            "downscale_delay_s": scaling.down_s,
            "look_back_period_s": scaling.look_s,
            "metrics_interval_s": scaling.look_s / 5,  # deprecated in Ray 2.60, and what it listens to
        },
        ray_actor_options={"num_cpus": scaling.cpus, "num_gpus": scaling.gpus},
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=options.drain_s + 10,
        max_constructor_retry_count=1,
    )


def _refuse_too_small(scaling: Scaling) -> None:
    there = import_module("ray").cluster_resources()
    for kind, each in (("CPU", scaling.cpus), ("GPU", scaling.gpus)):
        if there.get(kind, 0) < each * scaling.least:
            raise PreconditionError(
                f"{scaling.least} replicas take {each * scaling.least:g} {kind}, and Ray has {there.get(kind, 0):g}",
                hint="Ask for fewer replicas.",
            )


def _start_proxy(serve: Any, host: str, port: int) -> str:
    """Have Serve listen, and see that it is there that it does: one that runs already keeps its own address.

    Returns:
        The url.

    Raises:
        PreconditionError: It listens elsewhere.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray: Any = import_module("ray")
    try:
        serve.start(http_options={"host": host, "port": port})
    except ray.exceptions.ActorDiedError as error:  # its controller starts another one
        _log.warning("the proxy of Ray Serve died while it started: %s", error)
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with suppress(OSError), socket.create_connection((host, port), timeout=5) as reached:
            return url_at(*reached.getpeername()[:2])
        time.sleep(0.1)
    raise PreconditionError(
        f"Ray Serve does not listen on port {port} of {host}",
        hint="If this cluster serves something already, give the host and port it listens at.",
    )


def _deploy(serve: Any, name: str, application: Any, start_s: float) -> None:
    """Deploy, and wait until it answers.

    Raises:
        PreconditionError: It does not, and why.
    """
    serve.run_many([serve.RunTarget(application, name=name, route_prefix="/")], wait_for_applications_running=False)
    ends = time.monotonic() + start_s
    while time.monotonic() < ends:
        state = serve.status().applications[name]
        if state.status == "RUNNING":
            return
        if state.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            said = state.message + "".join(one.message for one in state.deployments.values())
            told = _TOLD.search(said)
            why, hint = told.groups() if told else ((said.strip().splitlines() or ["it failed"])[-1], "")
            raise PreconditionError(why, hint=hint or "See the logs of Ray Serve.")
        time.sleep(0.1)
    raise PreconditionError(f"no replica answered within {start_s:g} s", hint="See the logs of Ray Serve.")
