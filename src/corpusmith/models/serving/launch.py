"""Starts a server as a process of its own, and ends one; both by what the endpoint's record says of it.

A server that is started here belongs to no terminal and to no parent: it has a session of its own, writes to a log in
the workspace and outlives who started it. It is ended by a signal to the process that is on record, pid and beginning,
so a process that came by the same pid later is never hit.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusmith.core.errors import WorkspaceError
from corpusmith.models.serving.ray_ending import end_on_ray
from corpusmith.store.endpoints import Endpoints, Replica
from corpusmith.store.files import workspace_errors
from corpusmith.store.processes import began, is_alive, send
from corpusmith.store.servers import Servers

STOP_ASKED, END_ASKED = "stop asked", "end asked"
FORCED_S = 30.0
"""Seconds that Ray gets to let its replicas go, when it may not wait for requests at work."""
_PAUSE_S = 0.1


@dataclass(frozen=True)
class Started:
    """A process that was started: its pid, when it began (None: it is gone already) and its log."""

    pid: int
    began: str | None
    log: Path

    def lives(self) -> bool:
        """Whether it still runs."""
        return self.began is not None and is_alive(self.pid, self.began)

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for who asks why it is gone."""
        said = self.log.read_text("utf-8", "replace").splitlines() if self.log.is_file() else []
        return " | ".join(line.strip() for line in said[-lines:])


@dataclass(frozen=True)
class Launcher:
    """Starts servers of a workspace.

    Attributes:
        command: What runs the program.
        root: The workspace.
    """

    command: tuple[str, ...]
    root: Path

    def start(self, words: Sequence[str], endpoint: str) -> Started:
        """Start `serve` with these words, detached.

        Raises:
            WorkspaceError: The log cannot be written, or no process can be started.
        """
        folder = self.root / "serving" / endpoint
        log = folder / f"server-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() % 10**6:06d}.log"
        with workspace_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            log.touch(mode=0o600)
        serve = [*self.command, "serve", *words, "--workspace", str(self.root), "--log-file", str(log)]
        # the shell ends at once, so the server is nobody's child: it leaves no zombie with who started it
        script = f"{shlex.join(serve)} </dev/null >>{shlex.quote(str(log))} 2>&1 & echo $!"
        done = subprocess.run(
            ["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True, check=False, start_new_session=True
        )
        if done.returncode or not done.stdout.strip().isdecimal():
            raise WorkspaceError("no server process can be started", hint="See `corpusmith doctor`.", path=str(log))
        pid = int(done.stdout)
        return Started(pid, began(pid), log)


def stop_process(pid: int, since: str, wait_s: float, kill: bool = True) -> bool:
    """Let a process drain and end; past the wait, kill it. Whether it is gone."""
    if send(pid, since, signal.SIGTERM) and not _gone(lambda: not is_alive(pid, since), wait_s) and kill:
        send(pid, since, signal.SIGKILL)
        _gone(lambda: not is_alive(pid, since), 5.0)
    return not is_alive(pid, since)


def stop_endpoint(
    endpoints: Endpoints, name: str, wait_s: float, *, kill: bool = False, why: str = ""
) -> tuple[list[Replica], list[Replica]]:
    """Ask every process that serves an endpoint to drain and end: (those that did, those that did not).

    The wish is an event of the endpoint, which whoever runs it elsewhere or on Ray reads; processes of this machine get
    a signal too, save replicas on Ray: those it would cut off, and Ray would start others. What runs on this machine is
    waited for until it is gone, not only until it says that it stopped; on Ray, so is who holds the replicas up.

    With `kill`, what is left on a uvicorn is killed. Ray is told to let the replicas go without waiting for requests,
    by who holds them up, and only when that has not happened within `FORCED_S` is it killed (`ray_ending`).

    Raises:
        NotFoundError: There is no such endpoint.
    """
    on_ray = endpoints.get(name).backend == "ray"
    living = endpoints.living(name)
    holders = Servers(endpoints.database).here(name) if on_ray else []
    endpoints.tell(name, STOP_ASKED, {"replicas": [r.id for r in living], "why": why})

    def left() -> list[Replica]:
        ids = {replica.id for replica in endpoints.living(name)}
        return [r for r in living if r.id in ids or (not on_ray and r.is_there())]

    def ended() -> bool:
        return not left() and not any(holder.lives() for holder in holders)

    for replica in [] if on_ray else living:
        send(replica.pid, replica.began, signal.SIGTERM)
    _gone(ended, wait_s)
    if kill and not ended():
        if on_ray:
            endpoints.tell(name, END_ASKED, {"why": why})
            if not _gone(ended, FORCED_S):
                end_on_ray(name, holders, FORCED_S)
        for replica in left():
            send(replica.pid, replica.began, signal.SIGKILL)
        _gone(ended, 5.0)
    still = left()
    names = {replica.id for replica in still}
    endpoints.clear(name)
    return [r for r in living if r.id not in names], still


def _gone(true: Callable[[], bool], wait_s: float) -> bool:
    ends = time.monotonic() + wait_s
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(_PAUSE_S)
    return True
