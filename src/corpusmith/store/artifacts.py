"""The artifact store: immutable results of steps in a workspace folder.

    artifacts/<id>/record.json   written last, atomically: without it there is no artifact
    artifacts/<id>/parts/*.parquet, ledger/*.parquet, files/*
    staging/<id>/                a step at work; kept after a crash, so that finished parts are not done again

A staging folder is held under a file lock: a second process that wants the same step waits and then finds it done.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from corpusmith.core.errors import NotFoundError
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import sync_folder, workspace_errors, write_atomic
from corpusmith.store.records import RECORD_NAME, ArtifactRecord


class ArtifactStore:
    """Artifacts under one workspace root."""

    def __init__(self, root: Path) -> None:
        self.root = root / "artifacts"
        self.staging = root / "staging"
        with workspace_errors(root):
            self.root.mkdir(parents=True, exist_ok=True)
            self.staging.mkdir(parents=True, exist_ok=True)

    def find(self, artifact_id: str) -> ArtifactRecord | None:
        """The record of an artifact, or None when it is not there or not whole."""
        path = self.root / artifact_id / RECORD_NAME
        record = ArtifactRecord.model_validate_json(path.read_bytes()) if path.exists() else None
        return record if record is not None and _is_whole(record, path.parent) else None

    def open(self, artifact_id: str) -> StoredDataset:
        """An artifact to read.

        Raises:
            NotFoundError: There is no such artifact.
        """
        record = self.find(artifact_id)
        if record is None:
            raise NotFoundError(
                f"no artifact {artifact_id!r} in {self.root.parent}", hint="See `corpusmith data list`."
            )
        return StoredDataset(record, self.root / artifact_id)

    def ids(self) -> list[str]:
        """Ids of all complete artifacts."""
        return sorted(p.parent.name for p in self.root.glob(f"*/{RECORD_NAME}"))

    @contextmanager
    def stage(self, artifact_id: str, wait: Callable[[], None]) -> Iterator[Path]:
        """The staging folder of a step, held alone. `wait` is called about five times a second while another has it.

        The folder stays when the body raises, so that the next try finds the finished parts.
        """
        folder = self.staging / artifact_id
        lock_path = self.staging / f"{artifact_id}.lock"
        with workspace_errors(self.staging):
            handle = os.open(lock_path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    wait()
                    time.sleep(0.2)
            with workspace_errors(self.staging):
                folder.mkdir(exist_ok=True)
            yield folder
        finally:
            os.close(handle)

    def commit(self, record: ArtifactRecord, folder: Path) -> StoredDataset:
        """Move a staging folder to its place and write its record, which makes it exist."""
        target = self.root / record.id
        with workspace_errors(self.root):
            if self.find(record.id) is None:
                if target.exists():
                    shutil.rmtree(target)
                folder.replace(target)
                sync_folder(self.root)
                write_atomic(target / RECORD_NAME, record.model_dump_json(indent=1).encode())
            shutil.rmtree(folder, ignore_errors=True)
        return StoredDataset(record, target)


def _is_whole(record: ArtifactRecord, folder: Path) -> bool:
    """Whether every file has the size on record: only the record is fsync'd, a power cut may take bytes of others."""
    sizes = {part.path: part.size_bytes for part in record.parts}
    sizes |= {f"files/{name}": size for name, size in record.files.items()}
    try:
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except FileNotFoundError:
        return False
