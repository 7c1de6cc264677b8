"""Brings a version to an endpoint, step by step, and takes every step back when one fails.

It acts on the endpoint's record and on processes; which version is the champion is the registry's. The steps: have a
process that serves (start one, or let those that run follow), wait until each of them reports the version, ask it real
questions, and, for a canary, compare both sides for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from corpusmith.core.errors import CorpusmithError, PreconditionError
from corpusmith.models.serving.access import ServingAccess
from corpusmith.models.serving.extra import EngineKind, need_runtime
from corpusmith.models.serving.gate import refuse_open_elsewhere
from corpusmith.models.serving.launch import Started, stop_endpoint, stop_process
from corpusmith.models.serving.probing import evidence, probe, probe_key, ready_s
from corpusmith.models.serving.sockets import listen
from corpusmith.store.endpoints import Backend, Endpoint, Replica
from corpusmith.store.servers import Servers

_PAUSE_S = 0.2
_STOP_S = 45.0


class RolloutFailed(CorpusmithError):  # noqa: N818 - a finding, not a defect
    """A version did not prove itself; the message says how."""


@dataclass(frozen=True)
class Target:
    """What is to be brought where.

    Attributes:
        endpoint: Its name.
        model: What the endpoint serves: the model's name.
        ref: The version, `name@version`.
        number: Its number.
        share: The canary's share; 0 = it is the champion.
        host: Where a server that has to be started listens.
        port: Its port.
        backend: What runs it.
        index: Artifact id of its index.
        replicas: Fewest and most of them on Ray; None = as `serve` has it.
        engine: What makes the tokens.
    """

    endpoint: str
    model: str
    ref: str
    number: int
    share: float
    host: str
    port: int
    backend: Backend
    index: str | None
    replicas: tuple[int, int] | None = None
    engine: EngineKind = "plain"

    def words(self) -> list[str]:
        """The arguments of `serve`."""
        words = [self.model, "--name", self.endpoint, "--host", self.host, "--port", str(self.port)]
        words += ["--backend", self.backend, *(["--index", self.index] if self.index else [])]
        words += ["--engine", self.engine] if self.engine != "plain" else []
        if self.replicas is not None:
            words += ["--min-replicas", str(self.replicas[0]), "--max-replicas", str(self.replicas[1])]
        return words


@dataclass
class Rollout:
    """One attempt.

    Attributes:
        access: To endpoints, keys and processes.
        target: What is to be done.
        check: Raises when it is time to stop.
        emit: Told what happens.
        started: The server that this attempt started.
    """

    access: ServingAccess
    target: Target
    check: Callable[[], None]
    emit: Callable[[str], None]
    started: Started | None = None
    _before: Endpoint | None = None
    _changed_canary: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def already(self) -> list[Replica]:
        """The processes that serve the version as wanted and are ready; none unless all are."""
        wanted, living = self.access.endpoints.find(self.target.endpoint), self._living()
        if wanted is None or self._differs(wanted) or self._other_engines():
            return []
        if (wanted.canary, wanted.canary_share) != self._canary_wanted(wanted):
            return []
        health = [self._health(r) for r in living if self._is_there(r, wanted.generation)]
        if len(health) < len(living) or any(one["ready_s"] is None for one in health):
            return []
        self.facts["health"] = health
        return living

    def _health(self, replica: Replica) -> dict[str, Any]:
        """What a process says of itself, and how soon it said so when it was asked."""
        said = replica.model_dump(include={"id", "machine", "pid", "url", "state", "version", "canary", "counts"})
        return {**said, "heartbeat_s": round(time.time() - replica.heartbeat, 3), "ready_s": ready_s(replica.url)}

    def _differs(self, wanted: Endpoint) -> bool:
        """Whether something else is on record under the name."""
        target = self.target
        return (wanted.model, wanted.backend, wanted.index) != (target.model, target.backend, target.index)

    def _other_engines(self) -> list[str]:
        """Engines of the servers here that are not the one wanted."""
        running = Servers(self.access.endpoints.database).here(self.target.endpoint)
        return sorted({server.engine for server in running} - {self.target.engine})

    def refuse(self) -> None:
        """Say what speaks against it before anybody is asked, and before anything is done.

        Raises:
            PreconditionError: Something else is served under that name; or a server that would have to be started
                lacks a package, a GPU or keys.
            ParameterError: Its port is in use.
        """
        target, running = self.target, self._living()
        self.access.endpoints.refuse_other(target.endpoint, target.model, target.backend, target.index)
        if running and self._other_engines():
            raise PreconditionError(
                f"the endpoint {target.endpoint} runs on the engine {', '.join(self._other_engines())}",
                hint=f"Stop it with `corpusmith endpoint stop {target.endpoint}`, or take another --name.",
            )
        if not running:
            need_runtime(target.backend, target.engine)
            refuse_open_elsewhere(target.host, bool(self.access.keys.all()))
            listen(target.host, target.port).close()

    def bring_up(self) -> None:
        """Put the wish on record, and have a process that follows it.

        Raises:
            PreconditionError: Something else is served under that name, or a server cannot be started (see `refuse`).
            ParameterError: Its port is in use.
            WorkspaceError: No process can be started.
        """
        self.refuse()
        target, endpoints = self.target, self.access.endpoints
        self._before = endpoints.find(target.endpoint)
        running = self._living()
        wanted = endpoints.declare(target.endpoint, target.model, target.backend, target.index)
        canary, share = self._canary_wanted(wanted)
        if (wanted.canary, wanted.canary_share) != (canary, share):
            self._changed_canary = True
            endpoints.set_canary(target.endpoint, canary, share, f"deploy of {target.ref}")
        if not running:
            self.emit(f"starting a server of {target.model}")
            self.started = self.access.launcher.start(target.words(), target.endpoint)
            endpoints.tell(target.endpoint, "started", {"pid": self.started.pid, "log": str(self.started.log)})

    def _canary_wanted(self, now: Endpoint) -> tuple[int | None, float]:
        """A champion ends its own canary, and leaves that of another version alone."""
        if self.target.share:
            return self.target.number, self.target.share
        return (None, 0.0) if now.canary == self.target.number else (now.canary, now.canary_share)

    def wait(self, timeout_s: float) -> list[Replica]:
        """Until every process reports the version, healthy.

        Raises:
            RolloutFailed: One reports trouble, the server that was started is gone, or it takes too long.
        """
        ends, ref = time.monotonic() + timeout_s, self.target.ref
        self.emit(f"waiting until {ref} answers")
        while time.monotonic() < ends:
            self.check()
            living = self._living()
            generation = self.access.endpoints.get(self.target.endpoint).generation
            for replica in living:
                if ref in replica.troubles:
                    raise RolloutFailed(f"{ref} cannot be opened: {replica.troubles[ref]}")
            if not living and self.started is not None and not self.started.lives():
                raise RolloutFailed(f"the server has ended: {self.started.last_words()}")
            if living and all(self._is_there(replica, generation) for replica in living):
                return living
            time.sleep(_PAUSE_S)
        raise RolloutFailed(f"{ref} was not reported healthy within {timeout_s:g} s")

    def _is_there(self, replica: Replica, generation: int) -> bool:
        """Whether a process serves it as wanted; somebody else's canary in trouble does not hold up a champion."""
        said = replica.canary if self.target.share else replica.version
        follows = replica.generation >= generation or not (self.target.share or self._changed_canary)
        return replica.state == "serving" and said == self.target.ref and follows

    def ask(self, replicas: list[Replica], count: int, timeout_s: float) -> None:
        """Real requests to each process.

        Raises:
            RolloutFailed: One did not succeed.
        """
        self.emit(f"{count} requests to each of {len(replicas)} processes")
        with probe_key(self.access.keys, self.access.endpoints.by) as key:
            urls = dict.fromkeys(replica.url for replica in replicas)
            found = [p for url in urls for p in probe(url, self.target.ref, count, key, timeout_s, self.check)]
        self.facts["probes"] = evidence(found)
        faults = [one.fault for one in found if one.fault]
        if faults:
            raise RolloutFailed(f"{len(faults)} of {len(found)} requests failed: {faults[0]}")

    def watch(self, seconds: float, more_errors: float, slowdown: float) -> None:
        """Compare the canary with the champion while callers use both.

        Args:
            seconds: For how long.
            more_errors: How much larger its share of errors may be.
            slowdown: How many times the champion's 95th percentile its own may be.

        Raises:
            RolloutFailed: It does worse, or could no longer be served.
        """
        before, ends = self._counts(), time.monotonic() + seconds
        self.emit(f"comparing {self.target.ref} with the champion for {seconds:g} s")
        while True:
            self.check()
            sides = self._sides(before, self._counts())
            self.facts["canary"] = sides
            worse = _worse(sides, more_errors, slowdown)
            if worse:
                raise RolloutFailed(f"the canary {self.target.ref} {worse}")
            if time.monotonic() >= ends:
                return
            time.sleep(min(_PAUSE_S, max(0.0, ends - time.monotonic())))

    def _counts(self) -> dict[str, dict[str, float]]:
        """Per version, over all processes: sums, and the largest p95."""
        total: dict[str, dict[str, float]] = {}
        for replica in self._living():
            for ref, counts in replica.counts.items():
                side = total.setdefault(ref, {"requests": 0.0, "errors": 0.0, "p95_s": 0.0})
                side["requests"] += counts.get("requests", 0.0)
                side["errors"] += counts.get("errors", 0.0)
                side["p95_s"] = max(side["p95_s"], counts.get("p95_s", 0.0))
        return total

    def _sides(
        self, before: Mapping[str, Mapping[str, float]], now: Mapping[str, Mapping[str, float]]
    ) -> dict[str, dict[str, float]]:
        sides = {}
        for ref, counts in now.items():
            then = before.get(ref, {})
            done = {what: counts[what] - then.get(what, 0.0) for what in ("requests", "errors")}
            side = "canary" if ref == self.target.ref else "champion"
            sides[side] = {**done, "p95_s": counts["p95_s"]}
        return sides

    def undo(self) -> list[str]:
        """Take back what this attempt did; lines that say what was."""
        endpoint, endpoints, lines = self.target.endpoint, self.access.endpoints, []
        if self._changed_canary:
            canary = self._before.canary if self._before else None
            share = self._before.canary_share if self._before else 0.0
            endpoints.set_canary(endpoint, canary, share, f"deploy of {self.target.ref} undone")
            lines.append("the canary is removed" if canary is None else f"the canary is version {canary} again")
        if self.started is not None:
            _, left = stop_endpoint(endpoints, endpoint, _STOP_S, kill=True, why="deploy undone")
            if self.started.began is not None:
                stop_process(self.started.pid, self.started.began, _STOP_S)
            lines.append("the server that was started is stopped" if not left else "the server does not end")
        return lines

    def _living(self) -> list[Replica]:
        return self.access.endpoints.living(self.target.endpoint)


def _worse(sides: Mapping[str, Mapping[str, float]], more_errors: float, slowdown: float) -> str | None:
    """What the canary does worse than the champion, on 20 requests or more."""
    canary, champion = sides.get("canary"), sides.get("champion")
    if canary is None or canary["requests"] < 20:
        return None
    rate = canary["errors"] / canary["requests"]
    other = champion["errors"] / champion["requests"] if champion and champion["requests"] else 0.0
    if rate > other + more_errors:
        return f"fails {rate:.1%} of its requests, the champion {other:.1%}"
    if champion and champion["requests"] >= 20 and champion["p95_s"] and canary["p95_s"] > slowdown * champion["p95_s"]:
        return f"takes {canary['p95_s']:.3g} s (p95), the champion {champion['p95_s']:.3g} s"
    return None
