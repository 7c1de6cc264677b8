"""Run records and the lease that lets one process at a time hold a run."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from corpusmith.core.errors import NotFoundError, RunHeldError
from corpusmith.store.database import Database, PublishedRow, RunRow, StepRow
from corpusmith.store.files import workspace_errors


class RunRecord(BaseModel):
    """What is known of a run. `status`: running, waiting, interrupted, done, failed."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    id: str
    request: str
    options: dict[str, Any]
    status: str
    exit_status: int | None
    dataset: str | None
    started: float
    updated: float
    outcome: dict[str, Any]


class Runs:
    """The runs of a workspace."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self.root = root / "runs"
        with workspace_errors(root):
            self.root.mkdir(parents=True, exist_ok=True)

    def folder(self, run_id: str) -> Path:
        """Folder of a run's log, report and recipe."""
        return self.root / run_id

    def create(self, run_id: str, request: str, options: dict[str, Any]) -> RunRecord:
        """Record a new run."""
        now = time.time()
        row = RunRow(
            id=run_id, request=request, options=options, status="running", started=now, updated=now, outcome={}
        )
        with self._database.session() as session:
            session.add(row)
        return self.get(run_id)

    def get(self, run_id: str) -> RunRecord:
        """A run by its id, or by an unambiguous beginning of it; `last` = the newest.

        Raises:
            NotFoundError: No run, or several, answer to that.
        """
        with self._database.session() as session:
            query = select(RunRow).order_by(RunRow.started)
            if run_id != "last":
                query = query.where(RunRow.id.startswith(run_id, autoescape=True))
            found = [RunRecord.model_validate(row) for row in session.scalars(query)]
        found = found[-1:] if run_id == "last" else [r for r in found if r.id == run_id] or found
        if len(found) != 1:
            what = "no run" if not found else f"{len(found)} runs"
            raise NotFoundError(f"{what} {run_id!r} in {self.root.parent}", hint="See `corpusmith runs`.")
        return found[0]

    def all(self) -> list[RunRecord]:
        """Every run, oldest first."""
        with self._database.session() as session:
            return [RunRecord.model_validate(row) for row in session.scalars(select(RunRow).order_by(RunRow.started))]

    def update(self, run_id: str, **changes: Any) -> None:
        """Set columns of a run."""
        with self._database.session() as session:
            row = session.get_one(RunRow, run_id)
            for name, value in changes.items():
                setattr(row, name, value)
            row.updated = time.time()

    def add_step(self, run_id: str, artifact: str, tool: str, status: str, seconds: float) -> None:
        """Record one execution of a tool."""
        row = StepRow(run_id=run_id, artifact=artifact, tool=tool, status=status, seconds=seconds, finished=time.time())
        with self._database.session() as session:
            session.add(row)

    def publish(self, name: str, artifact: str, run_id: str | None) -> int:
        """Give an artifact the next version under `name`; the same artifact again keeps its version."""
        while True:
            try:
                return self._publish(name, artifact, run_id)
            except IntegrityError:  # another run took that version at the same moment
                continue

    def _publish(self, name: str, artifact: str, run_id: str | None) -> int:
        with self._database.session() as session:
            rows = list(session.scalars(select(PublishedRow).where(PublishedRow.name == name)))
            for row in rows:
                if row.artifact == artifact:
                    return row.version
            version = max((row.version for row in rows), default=0) + 1
            session.add(PublishedRow(name=name, version=version, artifact=artifact, run_id=run_id))
            return version

    def published(self) -> list[dict[str, Any]]:
        """Every published name and version, oldest first."""
        with self._database.session() as session:
            return [
                {"name": r.name, "version": r.version, "artifact": r.artifact, "run_id": r.run_id, "created": r.created}
                for r in session.scalars(select(PublishedRow).order_by(PublishedRow.n))
            ]


class Lease:
    """Holds a run for this process by a file lock that the system frees when the process dies, however it dies."""

    def __init__(self, folder: Path, run_id: str) -> None:
        with workspace_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / "lease", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._handle, 32).decode().strip()
            os.close(self._handle)
            raise RunHeldError(
                f"run {run_id} is held by process {holder or 'unknown'}",
                hint=f"Wait for it, or look at it with `corpusmith show {run_id}`.",
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others hold the run."""
        os.close(self._handle)


def is_held(folder: Path) -> bool:
    """Whether a live process holds the run in `folder`."""
    path = folder / "lease"
    if not path.exists():
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
