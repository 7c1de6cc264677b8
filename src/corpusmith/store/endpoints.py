"""Endpoints: what is to be served under a name, which processes do, and everything that happened, with its evidence.

Two kinds of rows move: the endpoint (what is wanted; every change counts its generation up, with an event in the same
transaction) and its replicas (what is; each process writes its own). Which version is the champion is not here: that
is the registry's alone, and a server that is started again reads it there.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, func, select

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.store.database import Database, EndpointEventRow, EndpointRow, ReplicaRow
from corpusmith.store.model_records import check_name
from corpusmith.store.processes import is_alive

SILENT_S = 15.0
"""A replica of another machine that said nothing for so long is taken for gone."""
KEPT_S = 3600.0
"""For so long the row of a process that ended stays, and that of one on another machine that fell silent."""

ReplicaState = Literal["starting", "serving", "draining", "stopped", "failed"]
Backend = Literal["uvicorn", "ray"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Endpoint(_Row):
    """What is wanted.

    Attributes:
        name: The endpoint.
        model: What it serves: `name` (its champion), `name@version` or an artifact id.
        backend: What runs it.
        index: Artifact id of the index that answers are grounded in, if any.
        canary: Version that gets a share of the requests.
        canary_share: That share, 0 to 1.
        generation: How often this was changed.
    """

    name: str
    model: str
    backend: Backend
    index: str | None
    canary: int | None
    canary_share: float
    generation: int
    created: float
    updated: float


class Replica(_Row):
    """What a process says of itself.

    Attributes:
        began: When the process began; with the pid it names the process for good.
        state: What it does.
        generation: The newest of the endpoint's generations that it follows wholly.
        version: `name@version` that answers.
        canary: `name@version` of the canary that answers beside it.
        troubles: By version, why it could not be opened.
        counts: By version: requests, errors, p95_s.
        heartbeat: When it last said so.
    """

    id: str
    endpoint: str
    machine: str
    pid: int
    began: str
    url: str
    log: str | None
    state: ReplicaState
    generation: int
    version: str | None
    canary: str | None
    troubles: dict[str, str]
    counts: dict[str, dict[str, float]]
    heartbeat: float

    def lives(self, now: float | None = None) -> bool:
        """Whether the process is there: looked up on this machine, by its last word on another."""
        if self.state in ("stopped", "failed"):
            return False
        if self.machine == platform.node():
            return is_alive(self.pid, self.began)
        return (time.time() if now is None else now) - self.heartbeat < SILENT_S

    def is_there(self) -> bool:
        """Whether its process runs on this machine, whatever it says that it does."""
        return self.machine == platform.node() and is_alive(self.pid, self.began)

    def is_over(self, now: float) -> bool:
        """Whether nobody needs its row any more: it was killed, or it ended a while ago."""
        if self.state in ("stopped", "failed"):
            return now - self.heartbeat > KEPT_S
        return not self.lives(now) and (self.machine == platform.node() or now - self.heartbeat > KEPT_S)


class EndpointEvent(_Row):
    """One thing that happened."""

    n: int
    endpoint: str
    kind: str
    evidence: dict[str, Any]
    by: str
    created: float


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of a workspace, for one who acts.

    Attributes:
        database: The ledger.
        by: Who acts, for the record.
    """

    database: Database
    by: str

    # -- looking -------------------------------------------------------------------------------------------------------

    def all(self) -> list[Endpoint]:
        """Every endpoint, by name."""
        with self.database.session() as session:
            return [Endpoint.model_validate(r) for r in session.scalars(select(EndpointRow).order_by(EndpointRow.name))]

    def find(self, name: str) -> Endpoint | None:
        """An endpoint, or None."""
        with self.database.session() as session:
            row = session.get(EndpointRow, name)
            return None if row is None else Endpoint.model_validate(row)

    def get(self, name: str) -> Endpoint:
        """An endpoint.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = self.find(name)
        if found is None:
            raise NotFoundError(f"no endpoint {name!r}", hint="See `corpusmith endpoint list`.")
        return found

    def replicas(self, name: str) -> list[Replica]:
        """Every process that served it, oldest first; `lives` tells which are there."""
        query = select(ReplicaRow).where(ReplicaRow.endpoint == name).order_by(ReplicaRow.id)
        with self.database.session() as session:
            return [Replica.model_validate(row) for row in session.scalars(query)]

    def living(self, name: str) -> list[Replica]:
        """The processes that serve it now."""
        return [replica for replica in self.replicas(name) if replica.lives()]

    def events(self, name: str) -> list[EndpointEvent]:
        """Everything that happened to it, oldest first."""
        query = select(EndpointEventRow).where(EndpointEventRow.endpoint == name).order_by(EndpointEventRow.n)
        with self.database.session() as session:
            return [EndpointEvent.model_validate(row) for row in session.scalars(query)]

    def last_event(self, name: str) -> int:
        """Number of the newest event of an endpoint, 0 where nothing happened yet."""
        with self.database.session() as session:
            newest = select(func.max(EndpointEventRow.n)).where(EndpointEventRow.endpoint == name)
            return session.scalar(newest) or 0

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def declare(self, name: str, model: str, backend: Backend = "uvicorn", index: str | None = None) -> Endpoint:
        """Say what is to be served under a name; the same again changes nothing.

        Raises:
            ParameterError: The name cannot be one.
            PreconditionError: Processes that live serve something else under that name.
        """
        check_name(name)
        self.refuse_other(name, model, backend, index)
        wanted, before = {"model": model, "backend": backend, "index": index}, self.find(name)
        if before is not None and before.model_dump(include=set(wanted)) == wanted:
            return before
        return self._change(name, "declared", {**wanted, "canary": None, "canary_share": 0.0})

    def refuse_other(self, name: str, model: str, backend: Backend, index: str | None) -> None:
        """Refuse a name under which something else is served now.

        Raises:
            PreconditionError: It is.
        """
        now = self.find(name)
        if now is None or (now.model, now.backend, now.index) == (model, backend, index) or not self.living(name):
            return
        raise PreconditionError(
            f"the endpoint {name} already serves {now.model}"
            + (f" with index {now.index}" if now.index else "")
            + f" on {now.backend}",
            hint=f"Stop it with `corpusmith endpoint stop {name}`, or take another --name.",
        )

    def set_canary(self, name: str, version: int | None, share: float, why: str = "") -> Endpoint:
        """Give a version a share of the requests; None ends the canary.

        Raises:
            NotFoundError: There is no such endpoint.
            ParameterError: The share is no share.
            PreconditionError: The endpoint serves a fixed version.
        """
        now = self.get(name)
        if version is not None and not 0 < share <= 1:
            raise ParameterError(f"{share:g} is no share of the requests", hint="Give one above 0, up to 1.")
        if version is not None and "@" in now.model:
            raise PreconditionError(
                f"the endpoint {name} serves {now.model} and nothing else", hint="Serve the name instead."
            )
        wanted = {"canary": version, "canary_share": share if version is not None else 0.0}
        if now.model_dump(include=set(wanted)) == wanted:
            return now
        return self._change(name, "canary" if version is not None else "canary ended", wanted, why)

    def _change(self, name: str, kind: str, wanted: Mapping[str, Any], why: str = "") -> Endpoint:
        now = time.time()
        with self.database.session() as session:
            row = session.get(EndpointRow, name)
            if row is None:
                row = EndpointRow(name=name, generation=0, created=now)
                session.add(row)
            for field, value in wanted.items():
                setattr(row, field, value)
            row.generation, row.updated = row.generation + 1, now
            session.add(
                self._event(name, kind, {**wanted, "generation": row.generation, **({"why": why} if why else {})})
            )
            session.flush()
            return Endpoint.model_validate(row)

    # -- what is -------------------------------------------------------------------------------------------------------

    def tell(self, name: str, kind: str, evidence: Mapping[str, Any]) -> None:
        """Append an event."""
        with self.database.session() as session:
            session.add(self._event(name, kind, evidence))

    def report(self, replica: Replica) -> None:
        """Write what a process says of itself over what it said before."""
        with self.database.session() as session:
            session.merge(ReplicaRow(**replica.model_dump()))

    def clear(self, name: str) -> list[Replica]:
        """Take the rows of processes that are over off the record; of each that was killed an event stays (`lost`)."""
        now = time.time()
        over = [replica for replica in self.replicas(name) if replica.is_over(now)]
        with self.database.session() as session:
            for replica in over:
                gone = session.execute(delete(ReplicaRow).where(ReplicaRow.id == replica.id))
                if gone.rowcount and replica.state not in ("stopped", "failed"):  # type: ignore[attr-defined]
                    said = replica.model_dump(include={"machine", "pid", "url", "log", "state", "version", "heartbeat"})
                    session.add(self._event(name, "lost", {"replica": replica.id, **said}))
        return over

    def _event(self, name: str, kind: str, evidence: Mapping[str, Any]) -> EndpointEventRow:
        return EndpointEventRow(endpoint=name, kind=kind, evidence=dict(evidence), by=self.by)
