from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from sqlalchemy import text

from corpusmith.core.errors import WorkspaceError
from corpusmith.store.database import Database


def _open(root: Path, start: Any, out: Any) -> None:
    start.wait()
    try:
        Database(root).close()
        out.put("")
    except WorkspaceError as error:
        out.put(repr(error))


def _open_at_once(root: Path) -> list[str]:
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open, args=(root, start, out)) for _ in range(4)]
    for process in processes:
        process.start()
    said = [out.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return said


def test_several_processes_may_open_a_fresh_and_an_older_workspace_at_once(tmp_path: Path) -> None:
    assert _open_at_once(tmp_path) == [""] * 4
    opened = Database(tmp_path)
    with opened.session() as session:  # a workspace from before the registry of models
        for table in ("model_versions", "model_heads", "model_evaluations", "model_events"):
            session.execute(text(f"DROP TABLE {table}"))
    opened.close()
    assert _open_at_once(tmp_path) == [""] * 4
    opened = Database(tmp_path)
    with opened.session() as session:
        made = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    opened.close()
    assert len(made) == 8
