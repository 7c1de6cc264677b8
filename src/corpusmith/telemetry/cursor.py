"""How far a run was exported: a small file beside its log, replaced in one move and synced to disk.

It moves only after the server acknowledged; when it is lost or damaged the run is sent again, which changes nothing,
because every record keeps its id. A cursor belongs to one run and one destination.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from corpusmith.core.errors import WorkspaceError


def load_cursor(path: Path, run_id: str, destination: str) -> int:
    """The first sequence number that is not known to be acknowledged; 0 when nothing is known.

    Raises:
        WorkspaceError: The file is there and cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return 0
    except ValueError:
        return 0
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}", path=str(path)) from None
    if not isinstance(data, dict) or data.get("run_id") != run_id or data.get("destination") != destination:
        return 0
    next_seq = data.get("next_seq")
    return next_seq if type(next_seq) is int and next_seq >= 0 else 0


def save_cursor(path: Path, run_id: str, destination: str, next_seq: int) -> None:
    """Write the cursor and wait until it is on disk.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    text = json.dumps({"run_id": run_id, "destination": destination, "next_seq": next_seq})
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror}", path=str(path)) from None
