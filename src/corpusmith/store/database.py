"""The ledger database of a workspace: runs, steps, approvals, spending, names, models, endpoints; SQLite by SQLAlchemy.

Rows live in Parquet; this holds what relates them. SQLite runs in WAL mode with a busy timeout, so that several runs,
`show` and `approve` work side by side; any SQLAlchemy URL (Postgres for a team) serves as well.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Boolean,
    Engine,
    Float,
    Integer,
    String,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.exc import DatabaseError, DisconnectionError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import QueuePool

from corpusmith.core.errors import WorkspaceError

LEDGER_NAME = "ledger.sqlite"


class Base(DeclarativeBase):
    """Declarative base of the ledger's tables."""


class RunRow(Base):
    """One run: a request on its way to an end."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    request: Mapped[str] = mapped_column(String)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String)
    exit_status: Mapped[int | None] = mapped_column(Integer)
    dataset: Mapped[str | None] = mapped_column(String)
    started: Mapped[float] = mapped_column(Float)
    updated: Mapped[float] = mapped_column(Float)
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class StepRow(Base):
    """One execution of a tool in a run; the artifact itself may be shared by several."""

    __tablename__ = "steps"
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(String, index=True)
    artifact: Mapped[str] = mapped_column(String, index=True)
    tool: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    seconds: Mapped[float] = mapped_column(Float)
    finished: Mapped[float] = mapped_column(Float)


class LineageRow(Base):
    """`child` was made from `parent` in the role `role`."""

    __tablename__ = "lineage"
    child: Mapped[str] = mapped_column(String, primary_key=True)
    role: Mapped[str] = mapped_column(String, primary_key=True)
    parent: Mapped[str] = mapped_column(String, index=True)


class ApprovalRow(Base):
    """One question to a person, bound to hash(action, args, artifacts); single-use and expiring."""

    __tablename__ = "approvals"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    run_id: Mapped[str] = mapped_column(String, index=True)
    action: Mapped[str] = mapped_column(String)
    binding: Mapped[str] = mapped_column(String, index=True)
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String)  # asked | granted | denied | used
    asked: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float)
    by: Mapped[str | None] = mapped_column(String)
    where: Mapped[str | None] = mapped_column(String)


class SpendingRow(Base):
    """One amount debited from an account of a run."""

    __tablename__ = "spending"
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(String, index=True)
    account: Mapped[str] = mapped_column(String)
    amount: Mapped[float] = mapped_column(Float)
    reason: Mapped[str] = mapped_column(String)


class PublishedRow(Base):
    """A name and version given to an artifact."""

    __tablename__ = "published"
    __table_args__ = (UniqueConstraint("name", "version"),)
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String, index=True)
    version: Mapped[int] = mapped_column(Integer)
    artifact: Mapped[str] = mapped_column(String)
    run_id: Mapped[str | None] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ModelVersionRow(Base):
    """One registered model; never changed afterwards."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("name", "version"), UniqueConstraint("name", "digest"))
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String, index=True)
    version: Mapped[int] = mapped_column(Integer)
    artifact: Mapped[str] = mapped_column(String, index=True)
    digest: Mapped[str] = mapped_column(String, index=True)
    kind: Mapped[str] = mapped_column(String)
    base: Mapped[str | None] = mapped_column(String)
    base_digest: Mapped[str | None] = mapped_column(String)
    data: Mapped[str | None] = mapped_column(String)
    run_id: Mapped[str | None] = mapped_column(String)
    by: Mapped[str] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ModelHeadRow(Base):
    """Where the aliases of a model's name point: versions, or nothing. The only row of the registry that moves."""

    __tablename__ = "model_heads"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    champion: Mapped[int | None] = mapped_column(Integer)
    candidate: Mapped[int | None] = mapped_column(Integer)
    previous: Mapped[int | None] = mapped_column(Integer)


class ModelEvaluationRow(Base):
    """One evaluation of a model held against the gates of a promotion; never changed afterwards."""

    __tablename__ = "model_evaluations"
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String)
    version: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String, index=True)
    evaluation: Mapped[str] = mapped_column(String)
    data: Mapped[str] = mapped_column(String)
    data_digest: Mapped[str] = mapped_column(String)
    champion: Mapped[int | None] = mapped_column(Integer)
    scorecard: Mapped[dict[str, Any]] = mapped_column(JSON)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    passed: Mapped[bool] = mapped_column(Boolean)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ModelEventRow(Base):
    """One move of an alias: who, why, from where to where, by which gates; only ever appended."""

    __tablename__ = "model_events"
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String, index=True)
    action: Mapped[str] = mapped_column(String)  # register | promote | rollback
    alias: Mapped[str] = mapped_column(String)
    from_version: Mapped[int | None] = mapped_column(Integer)
    to_version: Mapped[int | None] = mapped_column(Integer)
    evaluation: Mapped[str | None] = mapped_column(String)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    by: Mapped[str] = mapped_column(String)
    why: Mapped[str] = mapped_column(String)
    run_id: Mapped[str | None] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ApiKeyRow(Base):
    """One key of the API: a digest, never the key. Revoking keeps the row, so a server that had keys never opens up."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    name: Mapped[str] = mapped_column(String, unique=True)
    salt: Mapped[str] = mapped_column(String)
    digest: Mapped[str] = mapped_column(String)
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_minute: Mapped[int | None] = mapped_column(Integer)
    redact: Mapped[bool] = mapped_column(Boolean)
    by: Mapped[str] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float)
    revoked: Mapped[float | None] = mapped_column(Float)


class KeyLevelRow(Base):
    """What was left of a key's rate at a moment, for every process that serves."""

    __tablename__ = "key_levels"
    key: Mapped[str] = mapped_column(String, primary_key=True)
    kind: Mapped[str] = mapped_column(String, primary_key=True)  # requests | tokens
    level: Mapped[float] = mapped_column(Float)
    at: Mapped[float] = mapped_column(Float)


class EndpointRow(Base):
    """What is to be served under a name. `generation` counts the changes; replicas say which one they follow."""

    __tablename__ = "endpoints"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    model: Mapped[str] = mapped_column(String)
    backend: Mapped[str] = mapped_column(String)
    index: Mapped[str | None] = mapped_column(String)
    canary: Mapped[int | None] = mapped_column(Integer)
    canary_share: Mapped[float] = mapped_column(Float)
    generation: Mapped[int] = mapped_column(Integer)
    created: Mapped[float] = mapped_column(Float)
    updated: Mapped[float] = mapped_column(Float)


class ReplicaRow(Base):
    """One process that serves an endpoint, as it reports itself."""

    __tablename__ = "replicas"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    endpoint: Mapped[str] = mapped_column(String, index=True)
    machine: Mapped[str] = mapped_column(String)
    pid: Mapped[int] = mapped_column(Integer)
    began: Mapped[str] = mapped_column(String)
    url: Mapped[str] = mapped_column(String)
    log: Mapped[str | None] = mapped_column(String)
    state: Mapped[str] = mapped_column(String)  # starting | serving | draining | stopped | failed
    generation: Mapped[int] = mapped_column(Integer)
    version: Mapped[str | None] = mapped_column(String)
    canary: Mapped[str | None] = mapped_column(String)
    troubles: Mapped[dict[str, Any]] = mapped_column(JSON)
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    heartbeat: Mapped[float] = mapped_column(Float)


class ServerRow(Base):
    """One `serve`: on uvicorn the process that answers, on Ray the one that holds the replicas up."""

    __tablename__ = "servers"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    endpoint: Mapped[str] = mapped_column(String, index=True)
    machine: Mapped[str] = mapped_column(String)
    pid: Mapped[int] = mapped_column(Integer)
    began: Mapped[str] = mapped_column(String)
    backend: Mapped[str] = mapped_column(String)
    engine: Mapped[str] = mapped_column(String)
    address: Mapped[str | None] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float)


class EndpointEventRow(Base):
    """One thing that happened to an endpoint, with its evidence; only ever appended."""

    __tablename__ = "endpoint_events"
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    endpoint: Mapped[str] = mapped_column(String, index=True)
    kind: Mapped[str] = mapped_column(String)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    by: Mapped[str] = mapped_column(String)
    created: Mapped[float] = mapped_column(Float, default=time.time)


def _never_changed(row: type[Base]) -> None:
    """Let SQLite itself refuse to change or delete lines of a table."""
    name = row.__tablename__
    for verb in ("UPDATE", "DELETE"):
        refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
        trigger = DDL(f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} {refuse}")  # type: ignore[no-untyped-call]
        event.listen(row.__table__, "after_create", trigger.execute_if(dialect="sqlite"))


for _row in (ModelVersionRow, ModelEvaluationRow, ModelEventRow, EndpointEventRow):
    _never_changed(_row)


class Database:
    """Sessions on the ledger database."""

    def __init__(self, root: Path, url: str | None = None) -> None:
        self.root = root
        self.url = url or f"sqlite:///{root / LEDGER_NAME}"
        if self.url.startswith("sqlite"):
            # Some stay open between sessions: the last one that closes writes the whole log back. None has to wait.
            pool = {"poolclass": QueuePool, "pool_size": 4, "max_overflow": -1, "pool_use_lifo": True}
            self.engine: Engine = create_engine(self.url, connect_args={"timeout": 30}, **pool)
            event.listen(self.engine, "connect", _opened)
            event.listen(self.engine, "checkout", _taken)
        else:
            self.engine = create_engine(self.url)
        weakref.finalize(self, self.engine.dispose)  # who forgets to close leaves nothing open
        with self._refusals():
            self._make_tables()

    def _make_tables(self) -> None:
        """Make the tables that are missing, under one lock: several processes may open a workspace at once."""
        with self.engine.connect() as connection:
            if set(Base.metadata.tables) <= set(inspect(connection).get_table_names()):
                return
            if self.url.startswith("sqlite"):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            Base.metadata.create_all(connection)
            connection.commit()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits at the end and rolls back on an error."""
        with self._refusals(), Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what the database refuses (full disk, read-only, locked for too long) into one clear WorkspaceError."""
        try:
            yield
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise WorkspaceError(
                f"the ledger of the workspace {self.root} cannot be used: {error.orig}",
                hint="Free some space, or give another with --workspace DIR.",
                path=str(self.root),
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


_of_the_parent: list[Any] = []
"""Connections that came with a fork. SQLite forbids their use, and closing them is use: they are let alone."""


def _opened(connection: Any, record: Any) -> None:
    record.info["process"] = os.getpid()
    _sqlite_pragmas(connection)


def _taken(connection: Any, record: Any, proxy: Any) -> None:
    """Refuse a connection of another process; the pool then opens one of its own."""
    if record.info["process"] != os.getpid():
        _of_the_parent.append(connection)
        record.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("opened by another process")


def _sqlite_pragmas(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
