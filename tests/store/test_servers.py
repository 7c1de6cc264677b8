from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusmith.store import servers
from corpusmith.store.database import Database, ServerRow
from corpusmith.store.processes import began
from corpusmith.store.servers import Servers


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Servers]:
    database = Database(tmp_path)
    yield Servers(database)
    database.close()


def test_who_runs_an_endpoint_is_found_while_it_runs(record: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = record.enlist("news", "ray", "plain", "127.0.0.1:6379")
    assert record.enlist("news", "ray", "plain", "127.0.0.1:6379").id == mine.id
    assert [(one.backend, one.engine, one.address) for one in record.here("news")] == [
        ("ray", "plain", "127.0.0.1:6379")
    ]
    assert record.here("other") == []
    monkeypatch.setattr(servers.platform, "node", lambda: "elsewhere")
    assert record.here("news") == []


def test_one_that_was_killed_is_seen_at_once_and_leaves_the_record(record: Servers) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with record.database.session() as session:
            mine = record.enlist("news", "uvicorn", "plain")
            other = mine.model_copy(update={"id": "o", "pid": child.pid, "began": began(child.pid)})
            session.merge(ServerRow(**other.model_dump()))
        assert len(record.here("news")) == 2
        child.kill()
    assert [one.id for one in record.here("news")] == [mine.id]
    record.enlist("more", "uvicorn", "plain")
    with record.database.session() as session:
        assert session.get(ServerRow, "o") is None
