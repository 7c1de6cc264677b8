from __future__ import annotations

import gc
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from corpusmith.core.errors import WorkspaceError
from corpusmith.store import database
from corpusmith.store.database import LEDGER_NAME, Database, SpendingRow


def _open(root: Path, start: Any, out: Any) -> None:
    for _ in range(2):
        start.wait()
        try:
            Database(root).close()
            out.put("")
        except WorkspaceError as error:
            out.put(repr(error))


def test_several_processes_may_open_a_fresh_and_an_older_workspace_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(5), context.Queue()  # the fifth is this process
    processes = [context.Process(target=_open, args=(tmp_path, start, out)) for _ in range(4)]
    for process in processes:
        process.start()
    start.wait(120)
    assert [out.get(timeout=120) for _ in processes] == [""] * 4
    opened = Database(tmp_path)
    with opened.session() as session:  # a workspace from before the registry of models
        for table in ("model_versions", "model_heads", "model_evaluations", "model_events"):
            session.execute(text(f"DROP TABLE {table}"))
    opened.close()
    start.wait(120)
    assert [out.get(timeout=120) for _ in processes] == [""] * 4
    for process in processes:
        process.join()
    opened = Database(tmp_path)
    with opened.session() as session:
        made = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    opened.close()
    assert len(made) == 8


def test_sessions_share_a_connection_and_none_is_left_open(tmp_path: Path) -> None:
    opened = Database(tmp_path)
    made = []
    event.listen(opened.engine, "connect", lambda connection, _record: made.append(connection))
    for _ in range(3):
        with opened.session() as session:
            session.execute(text("SELECT 1"))
    assert not made  # that of the beginning
    with opened.session() as one, opened.session() as other:
        one.execute(text("SELECT 1"))
        other.execute(text("SELECT 1"))
    assert len(made) == 1
    assert (tmp_path / f"{LEDGER_NAME}-wal").exists()
    del opened, one, other, session
    gc.collect()
    assert not (tmp_path / f"{LEDGER_NAME}-wal").exists()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_opens_a_connection_of_its_own(tmp_path: Path) -> None:
    opened = Database(tmp_path)
    with opened.session() as session:
        session.add(SpendingRow(run_id="r-1", account="tokens", amount=1.0, reason="parent"))
    if not (child := os.fork()):
        status = 1
        try:
            with opened.session() as session:
                session.add(SpendingRow(run_id="r-1", account="tokens", amount=2.0, reason="child"))
            status = 0 if len(database._of_the_parent) == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with opened.session() as session:
        session.add(SpendingRow(run_id="r-1", account="tokens", amount=4.0, reason="parent again"))
    with opened.session() as session:
        assert session.execute(text("SELECT sum(amount) FROM spending")).scalar() == 7.0
        assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    opened.close()
