"""Opening a workspace for a command that looks at what is there: it makes none where none is."""

from __future__ import annotations

from pathlib import Path

from corpusmith.core.errors import NotFoundError, WorkspaceError
from corpusmith.core.settings import load_settings
from corpusmith.store.database import LEDGER_NAME
from corpusmith.store.workspace import Workspace


def open_existing(workspace: Path | None) -> Workspace:
    """The workspace of the option, the environment or the current folder.

    Raises:
        NotFoundError: There is none at that path.
        WorkspaceError: The path is a file, or the workspace cannot be used.
    """
    root = load_settings(workspace).workspace
    if root.exists() and not root.is_dir():
        raise WorkspaceError(f"the workspace {root} is a file", hint="Give a folder with --workspace DIR.")
    if not (root / LEDGER_NAME).is_file():
        raise NotFoundError(
            f"no workspace at {root}", hint="Give --workspace DIR, or begin one: corpusmith run REQUEST --source PATH"
        )
    return Workspace.open(root)
