"""One process that serves a model: from the bound socket to the last answer.

It listens first and says that it is not ready; opens the version that is wanted; answers, while the fleet follows the
registry, the gate the keys and the reporter the endpoint's record; and on SIGTERM or SIGINT drains: it is no longer
ready, tells new requests to come again, lets those at work finish within a limit, and ends with status 0. A second
signal does not wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from corpusmith.models.serving.access_log import AccessLog
from corpusmith.models.serving.alerts import Alerts, Score, Thresholds
from corpusmith.models.serving.api.app import create_app
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.contract import Grounder
from corpusmith.models.serving.fleet import FleetState, FollowingFleet, Open, Source
from corpusmith.models.serving.front import Front
from corpusmith.models.serving.gate import KeyGate
from corpusmith.models.serving.log_file import Lines
from corpusmith.models.serving.metrics import Metrics
from corpusmith.models.serving.recording import Recording, Sink
from corpusmith.models.serving.reporting import Reporter
from corpusmith.models.serving.shared_metrics import EVERY_S, SharedMetrics
from corpusmith.models.serving.sockets import url_of
from corpusmith.models.serving.tracing import CallTracing
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.endpoints import Endpoints, Replica, ReplicaState
from corpusmith.store.key_levels import KeyLevels
from corpusmith.store.processes import began
from corpusmith.telemetry.opik_settings import OpikSettings

TICK_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeOptions:
    """How a model is served.

    Attributes:
        drain_s: Most seconds that requests at work get to finish, once the server is told to stop.
        prompts: Whether prompts and answers stand in the access log.
        redact: Applied to every string of a trace.
        traced: Where traces go; None = calls are not traced.
        webhook: Told of alerts; None = nobody is.
        thresholds: What is an alert.
        score: The user's own worth of an answer.
        limits: What one request may ask.
        poll_s: Seconds between two looks at the registry.
    """

    drain_s: float = 30.0
    prompts: bool = False
    redact: Callable[[str], str] | None = None
    traced: OpikSettings | None = None
    webhook: str | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    score: Score | None = None
    limits: Limits = field(default_factory=Limits)
    poll_s: float = TICK_S


@dataclass(frozen=True)
class ServeParts:
    """What a server is made of.

    Attributes:
        name: What requests ask for.
        endpoint: Its name.
        source: Where the version that is wanted is read.
        open_version: Opens a version.
        endpoints: Where the process reports.
        keys: Who may ask.
        folder: For what waits to be traced.
        grounders: Indexes by model name.
        log: File that the process writes its log to, for the record.
    """

    name: str
    endpoint: str
    source: Source
    open_version: Open
    endpoints: Endpoints
    keys: ApiKeys
    folder: Path
    grounders: Mapping[str, Grounder] = field(default_factory=dict)
    log: str | None = None


class ModelServer:
    """Serves until it is told to stop."""

    def __init__(
        self, listener: socket.socket | str, parts: ServeParts, options: ServeOptions, access: Lines = sys.stderr
    ) -> None:
        """Report the process; nothing is opened yet.

        Args:
            listener: From `sockets.listen`; or the url where somebody else listens, who sends requests to `front`.
            parts: What it is made of.
            options: How it serves.
            access: Where the access log goes.
        """
        self._parts, self._options, self._access = parts, options, access
        self._listener = None if isinstance(listener, str) else listener
        self.url = listener if isinstance(listener, str) else url_of(listener)
        self.gate = KeyGate(parts.keys.all, settle=KeyLevels(parts.keys.database).settle)
        self.front = Front(self.gate)
        pid = os.getpid()
        identity = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{pid}"
        self._replica = Replica(
            id=f"{parts.endpoint}/{identity}", endpoint=parts.endpoint, machine=platform.node(), pid=pid,
            began=began(pid) or "", url=self.url, log=parts.log, state="starting", generation=0, version=None,
            canary=None, troubles={}, counts={}, heartbeat=time.time(),
        )  # fmt: skip
        self._identity = identity
        self._reporter = Reporter(parts.endpoints, self._replica)
        self._state: ReplicaState = "starting"
        self.fleet = FollowingFleet(
            parts.name, parts.source, parts.open_version, tell=self._reporter.tell, poll_s=options.poll_s
        )
        self._stop: asyncio.Event | None = None
        self._hurry: asyncio.Event | None = None

    async def run(self, on_ready: Callable[[], None] = lambda: None, *, signals: bool = True) -> None:
        """Serve until a signal comes, or `stop` is called.

        Args:
            on_ready: Called when the first version answers.
            signals: Whether SIGTERM and SIGINT are listened to (in the main thread only).

        Raises:
            PreconditionError: The version that is wanted cannot be served.
        """
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        state: ReplicaState = "failed"
        try:
            async with self._listening(), self._housekeeping():
                if await self._start():
                    async with self._answering():
                        self._state = "serving"
                        on_ready()
                        await self._stop.wait()
                        await self._drain()
                state = "stopped"
        finally:
            await self.fleet.close()
            await asyncio.to_thread(self._reporter.beat, state, None)

    def stop(self) -> None:
        """Drain, and end; the second time without waiting. To be called on the loop."""
        assert self._stop is not None and self._hurry is not None  # noqa: PT018 - set together, by `run`
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _start(self) -> bool:
        """Open the first version; False when the server was stopped meanwhile."""
        assert self._stop is not None
        opening, stopped = asyncio.ensure_future(self.fleet.start()), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((opening, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                return False
            await opening
            return True
        finally:
            for task in (opening, stopped):
                task.cancel()
            await asyncio.wait((opening, stopped))

    async def _drain(self) -> None:
        assert self._hurry is not None
        self.gate.draining = True
        self._state = "draining"
        _log.info("draining: %d requests at work", self.front.in_flight)
        ends = time.monotonic() + self._options.drain_s
        while self.front.in_flight and time.monotonic() < ends and not self._hurry.is_set():
            await asyncio.sleep(0.02)
        if self.front.in_flight:
            _log.warning("%d requests were cut off after %g s", self.front.in_flight, self._options.drain_s)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """Answer on the socket; at the end what is still open gets a moment, then it is cut off."""
        if self._listener is None:
            yield
            return
        config = uvicorn.Config(
            self.front, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=1, backlog=2048,
        )  # fmt: skip
        server = _Uvicorn(config)
        task = asyncio.create_task(server.serve(sockets=[self._listener]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            yield
        finally:
            server.should_exit = True
            await task

    @asynccontextmanager
    async def _housekeeping(self) -> AsyncIterator[None]:
        """Beside the requests: the endpoint's record and the keys."""
        tasks = [asyncio.create_task(self._reporter.keep_beating(self._now, TICK_S)), asyncio.create_task(self._keys())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _now(self) -> tuple[ReplicaState, FleetState | None]:
        return self._state, self.fleet.state()

    async def _keys(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await asyncio.to_thread(self.gate.refresh)
            except Exception as error:  # noqa: BLE001 - whatever ails the ledger, the keys of before hold
                _log.warning("the keys cannot be read, those of before hold: %s", error)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Let requests in, and tell everyone who wants to know of them."""
        options, closing = self._options, list[Callable[[], None]]()
        metrics = Metrics(self.fleet.state, lambda: self.front.in_flight)
        later: list[Sink] = [AccessLog(self._access, options.prompts).write]
        if options.traced is not None:
            calls = self._parts.folder / "calls"
            tracing = CallTracing(calls, self._identity, options.traced, redact=options.redact)
            later.append(tracing.take)
            closing.append(tracing.close)
        if options.webhook is not None:
            alerts = Alerts(options.webhook, self._parts.endpoint, options.thresholds, score=options.score)
            later.append(alerts.take)
            closing.append(alerts.close)
        recording = Recording([metrics.record, self.fleet.count], later)
        app: Any = create_app(self.fleet, self.gate, recording, self._parts.grounders, options.limits)
        shared = None
        if self._listener is None:  # one address, several replicas
            shared = SharedMetrics(self._parts.folder / "metrics", self._identity)
            closing.append(shared.close)
        self.front.open(app, metrics, shared)
        sharing = asyncio.create_task(_share(shared, metrics))
        try:
            yield
        finally:
            sharing.cancel()
            await asyncio.gather(sharing, return_exceptions=True)
            for close in (recording.close, *closing):
                await asyncio.to_thread(close)


async def _share(shared: SharedMetrics | None, metrics: Metrics) -> None:
    """Let the replicas beside this one see its figures, until cancelled."""
    while shared is not None:
        try:
            await asyncio.to_thread(shared.write, metrics.render())
        except OSError as error:
            _log.warning("the figures cannot be shared: %s", error)
        await asyncio.sleep(EVERY_S)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us: its own way would end the process with them."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def run_server(server: ModelServer, on_ready: Callable[[], None]) -> None:
    """Serve in this process, on the fastest loop that is here; returns when the server was told to stop.

    Raises:
        PreconditionError: The version that is wanted cannot be served.
    """
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(partial(server.run, on_ready)())
