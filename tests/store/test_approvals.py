from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.store import approvals as module
from corpusmith.store.approvals import Approvals
from corpusmith.store.database import Database

ARGS, FILES = {"to": "out"}, {"data": "a" * 32}


@pytest.fixture
def approvals(tmp_path: Path):
    database = Database(tmp_path)
    yield Approvals(database)
    database.close()


def test_asking_twice_is_one_question(approvals: Approvals) -> None:
    first = approvals.ask("r-1", "publish", ARGS, FILES)
    assert approvals.ask("r-1", "publish", ARGS, FILES).id == first.id
    assert approvals.ask("r-1", "publish", {"to": "elsewhere"}, FILES).id != first.id


def test_a_granted_approval_is_used_once(approvals: Approvals) -> None:
    approvals.ask("r-1", "publish", ARGS, FILES)
    granted = approvals.decide("r-1", True, "ann", "terminal")
    assert (granted.state, granted.by, granted.where) == ("granted", "ann", "terminal")
    approvals.use(granted)
    with pytest.raises(PreconditionError, match="used"):
        approvals.use(granted)
    assert approvals.ask("r-1", "publish", ARGS, FILES).state == "asked"


def test_an_approval_for_one_thing_is_none_for_another(approvals: Approvals) -> None:
    approvals.ask("r-1", "publish", ARGS, FILES)
    granted = approvals.decide("r-1", True, "ann", "terminal")
    other = approvals.ask("r-1", "publish", ARGS, {"data": "b" * 32})
    assert other.state == "asked"
    with pytest.raises(PreconditionError):
        approvals.use(granted.model_copy(update={"binding": other.binding}))


def test_it_expires(approvals: Approvals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRES_S", -1.0)
    asked = approvals.ask("r-1", "publish", ARGS, FILES)
    with pytest.raises(NotFoundError):
        approvals.decide("r-1", True, "ann", "terminal")
    with pytest.raises(PreconditionError):
        approvals.use(asked)


def test_several_waiting_must_be_named(approvals: Approvals) -> None:
    approvals.ask("r-1", "publish", ARGS, FILES)
    second = approvals.ask("r-1", "publish", {"to": "b"}, FILES)
    with pytest.raises(PreconditionError, match="2 actions wait"):
        approvals.decide("r-1", True, "ann", "terminal")
    assert approvals.decide("r-1", False, "ann", "terminal", second.id.split("/")[1]).state == "denied"
