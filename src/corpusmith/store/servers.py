"""Who runs an endpoint: each `serve` that was started, whatever it started itself.

On uvicorn that is the process that answers. On Ray it is the one that holds the endpoint up: its replicas are Ray's
processes and report for themselves (`store.endpoints`), and to end them for good this one has to be reached. A row
speaks of a process of the machine it names, so only there it can be told whether it runs.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, select

from corpusmith.store.database import Database, ServerRow
from corpusmith.store.processes import began, is_alive


class Server(BaseModel):
    """One `serve`.

    Attributes:
        id: Endpoint, pid and when the process began.
        backend: What it runs the endpoint on.
        engine: What makes the tokens.
        address: Of the Ray cluster that it joined; None = it started its own, which ends with it, or needs none.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)
    id: str
    endpoint: str
    machine: str
    pid: int
    began: str
    backend: str
    engine: str
    address: str | None
    created: float

    def lives(self) -> bool:
        """Whether it runs on this machine."""
        return self.machine == platform.node() and is_alive(self.pid, self.began)


@dataclass(frozen=True)
class Servers:
    """Those of a workspace."""

    database: Database

    def enlist(self, endpoint: str, backend: str, engine: str, address: str | None = None) -> Server:
        """Put this process on record; those of this machine that are gone leave it."""
        pid = os.getpid()
        since = began(pid) or ""
        made = Server(
            id=f"{endpoint}/{platform.node()}/{pid}/{since}", endpoint=endpoint, machine=platform.node(), pid=pid,
            began=since, backend=backend, engine=engine, address=address, created=time.time(),
        )  # fmt: skip
        with self.database.session() as session:
            here = session.scalars(select(ServerRow).where(ServerRow.machine == made.machine))
            gone = [row.id for row in here if not Server.model_validate(row).lives()]
            session.execute(delete(ServerRow).where(ServerRow.id.in_(gone)))
            session.merge(ServerRow(**made.model_dump()))
        return made

    def here(self, endpoint: str) -> list[Server]:
        """Those that run the endpoint on this machine now."""
        query = select(ServerRow).where(ServerRow.endpoint == endpoint).order_by(ServerRow.created)
        with self.database.session() as session:
            found = [Server.model_validate(row) for row in session.scalars(query)]
        return [server for server in found if server.lives()]
