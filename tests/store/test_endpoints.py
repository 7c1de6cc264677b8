from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.store.database import Database
from corpusmith.store.endpoints import KEPT_S, SILENT_S, Endpoints, Replica
from corpusmith.store.processes import began


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[Endpoints]:
    database = Database(tmp_path)
    yield Endpoints(database, "tester")
    database.close()


def replica(**changes: Any) -> Replica:
    pid = os.getpid()
    given = {
        "id": "news/1", "endpoint": "news", "machine": platform.node(), "pid": pid, "began": began(pid) or "",
        "url": "http://127.0.0.1:1", "log": None, "state": "serving", "generation": 1, "version": "news@1",
        "canary": None, "troubles": {}, "counts": {}, "heartbeat": time.time(),
    }  # fmt: skip
    return Replica.model_validate(given | changes)


def test_every_change_counts_up_and_is_an_event(endpoints: Endpoints) -> None:
    assert endpoints.declare("news", "news").generation == 1
    assert endpoints.declare("news", "news").generation == 1
    changed = endpoints.set_canary("news", 2, 0.25, "to see")
    assert (changed.generation, changed.canary, changed.canary_share) == (2, 2, 0.25)
    assert endpoints.set_canary("news", 2, 0.25).generation == 2
    ended = endpoints.set_canary("news", None, 0.0)
    assert (ended.generation, ended.canary, ended.canary_share) == (3, None, 0.0)
    told = endpoints.events("news")
    assert [event.kind for event in told] == ["declared", "canary", "canary ended"]
    assert told[1].evidence == {"canary": 2, "canary_share": 0.25, "generation": 2, "why": "to see"}
    assert endpoints.last_event("news") == told[-1].n
    assert [endpoint.name for endpoint in endpoints.all()] == ["news"]


def test_a_name_that_is_served_is_not_taken_over(endpoints: Endpoints) -> None:
    endpoints.declare("news", "news")
    endpoints.report(replica())
    with pytest.raises(PreconditionError, match="already serves news"):
        endpoints.declare("news", "other")
    endpoints.report(replica(state="stopped"))
    assert endpoints.declare("news", "other").model == "other"


def test_what_cannot_be_is_refused(endpoints: Endpoints) -> None:
    with pytest.raises(NotFoundError, match="no endpoint 'news'"):
        endpoints.set_canary("news", 2, 0.5)
    with pytest.raises(ParameterError, match="no name"):
        endpoints.declare("a/b", "news")
    endpoints.declare("news", "news")
    for share in (0, -0.1, 1.5, float("nan")):
        with pytest.raises(ParameterError, match="no share"):
            endpoints.set_canary("news", 2, share)
    endpoints.declare("fixed", "news@1")
    with pytest.raises(PreconditionError, match="serves news@1 and nothing else"):
        endpoints.set_canary("fixed", 2, 0.5)


def test_who_lives_is_looked_up_here_and_heard_of_from_elsewhere(endpoints: Endpoints) -> None:
    now = time.time()
    assert replica().lives()
    assert not replica(began="another process of that pid").lives()
    assert not replica(state="stopped").lives()
    assert replica(machine="elsewhere", heartbeat=now - SILENT_S + 1).lives(now)
    assert not replica(machine="elsewhere", heartbeat=now - SILENT_S - 1).lives(now)
    endpoints.report(replica())
    endpoints.report(replica(troubles={"news@2": "no memory"}))
    assert [r.troubles for r in endpoints.living("news")] == [{"news@2": "no memory"}]


def test_a_killed_process_is_never_shown_as_live_and_its_row_becomes_an_event(endpoints: Endpoints) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        endpoints.report(replica(id="news/2", pid=child.pid, began=began(child.pid)))
        endpoints.report(replica())
        assert len(endpoints.living("news")) == 2
        child.kill()
    assert [r.id for r in endpoints.living("news")] == ["news/1"]
    assert [r.id for r in endpoints.clear("news")] == ["news/2"]
    assert endpoints.clear("news") == []
    lost = endpoints.events("news")[-1]
    assert (lost.kind, lost.evidence["replica"], lost.evidence["state"]) == ("lost", "news/2", "serving")
    assert [r.id for r in endpoints.replicas("news")] == ["news/1"]


def test_rows_of_processes_that_ended_stay_for_a_while(endpoints: Endpoints) -> None:
    now, long_ago = time.time(), time.time() - KEPT_S - 1
    endpoints.report(replica(id="a", state="stopped", heartbeat=now))
    endpoints.report(replica(id="b", state="failed", heartbeat=long_ago))
    endpoints.report(replica(id="c", machine="elsewhere", heartbeat=now - SILENT_S - 1))
    endpoints.report(replica(id="d", machine="elsewhere", heartbeat=long_ago))
    endpoints.clear("news")
    assert [r.id for r in endpoints.replicas("news")] == ["a", "c"]
    assert [event.evidence["replica"] for event in endpoints.events("news")] == ["d"]


def test_events_cannot_be_changed(endpoints: Endpoints) -> None:
    endpoints.tell("news", "probed", {"ok": True})
    for change in ("UPDATE endpoint_events SET kind = 'x'", "DELETE FROM endpoint_events"):
        with pytest.raises(IntegrityError, match="append-only"), endpoints.database.session() as session:
            session.execute(text(change))
