"""A workspace: everything corpusmith keeps, under one folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from corpusmith.core.errors import NotFoundError, WorkspaceError
from corpusmith.core.ids import ARTIFACT_ID
from corpusmith.store.approvals import Approvals
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.database import Database
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import workspace_errors
from corpusmith.store.runs import Runs


@dataclass(frozen=True)
class Workspace:
    """Open stores of one workspace folder."""

    root: Path
    database: Database
    artifacts: ArtifactStore
    runs: Runs
    approvals: Approvals

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open the workspace at `root`, making it when it is not there.

        Raises:
            WorkspaceError: The folder cannot be made or written, or the path is a file.
        """
        try:
            with workspace_errors(root):
                if root.exists() and not root.is_dir():
                    raise WorkspaceError(f"the workspace {root} is a file", hint="Give a folder with --workspace DIR.")
                root.mkdir(parents=True, exist_ok=True)
                probe = root / f".probe.{os.getpid()}"
                probe.write_bytes(b"x")
                probe.unlink()
        except OSError as error:  # what no workspace can stand on: a name too long, a virtual file system
            raise WorkspaceError(
                f"the workspace {root} cannot be made: {error.strerror}", hint="Give another with --workspace DIR."
            ) from error
        database = Database(root)
        return cls(root, database, ArtifactStore(root), Runs(database, root), Approvals(database))

    def resolve(self, ref: str) -> StoredDataset:
        """The dataset a reference names: `name`, `name@version`, an artifact id (or its beginning), or a run id.

        Raises:
            NotFoundError: Nothing answers to it.
        """
        if ARTIFACT_ID.match(ref):
            return self.artifacts.open(ref)
        name, _, version = ref.partition("@")
        named = [p for p in self.runs.published() if p["name"] == name and version in ("", str(p["version"]))]
        if named:
            return self.artifacts.open(named[-1]["artifact"])
        if ref.startswith("r-") or ref == "last":
            run = self.runs.get(ref)
            if run.dataset is None:
                raise NotFoundError(f"run {run.id} has no dataset yet", hint=f"See `corpusmith show {run.id}`.")
            return self.artifacts.open(run.dataset)
        begun = [i for i in self.artifacts.ids() if i.startswith(ref)] if len(ref) >= 4 else []
        if len(begun) == 1:
            return self.artifacts.open(begun[0])
        raise NotFoundError(f"no dataset {ref!r} in {self.root}", hint="See `corpusmith data list`.")

    def close(self) -> None:
        """Close the database."""
        self.database.close()
