from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.serving.contract import ANYONE, Refused
from corpusmith.models.serving.gate import KeyGate, refuse_open_elsewhere
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.database import Database

LOCAL = {"host": "127.0.0.1:8000"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[ApiKeys]:
    database = Database(tmp_path)
    yield ApiKeys(database)
    database.close()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "host": "api.example.org"}


def refused(gate: KeyGate, headers: dict[str, str]) -> Refused:
    with pytest.raises(Refused) as caught:
        gate.admit(headers)
    return caught.value


def test_without_keys_this_machine_alone_is_let_in(keys: ApiKeys) -> None:
    gate = KeyGate(keys.all)
    assert gate.is_open
    for host in ("127.0.0.1:8000", "localhost", "[::1]:80", "127.8.8.8"):
        assert gate.admit({"host": host}).id == ANYONE
    for host in ("", "evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::1", "192.168.0.2"):
        assert refused(gate, {"host": host}).status == 403
    assert gate.admit({**LOCAL, "origin": "http://localhost:3000"}).id == ANYONE
    for origin in ("https://evil.example", "null", "http://[::1"):
        assert refused(gate, {**LOCAL, "origin": origin}).status == 403


def test_keys_close_the_server_for_good(keys: ApiKeys) -> None:
    gate = KeyGate(keys.all)
    _, key = keys.create("ana", "t", redact=True)
    gate.refresh()
    caller = gate.admit(bearer(key))
    assert (caller.id, caller.redact) == ("ana", True)
    keys.revoke("ana")
    gate.refresh()
    assert "revoked" in refused(gate, bearer(key)).message
    assert refused(gate, LOCAL).status == 401
    assert not gate.is_open


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer sk-1", "Basic abc", "Bearer cs-0123456789ab-x"])
def test_a_wrong_key_is_401_and_never_echoed(keys: ApiKeys, header: str) -> None:
    keys.create("ana", "t")
    answer = refused(KeyGate(keys.all), {"authorization": header})
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert "cs-0123" not in answer.message


def test_a_wrong_secret_of_a_known_id_is_401(keys: ApiKeys) -> None:
    made, _ = keys.create("ana", "t")
    assert refused(KeyGate(keys.all), bearer(f"cs-{made.id}-{'x' * 43}")).status == 401


def test_requests_over_the_rate_are_429_with_the_time_to_wait(keys: ApiKeys) -> None:
    _, key = keys.create("ana", "t", requests_per_minute=2)
    _, free = keys.create("bo", "t")
    clock = Clock()
    gate = KeyGate(keys.all, clock)
    gate.admit(bearer(key))
    gate.admit(bearer(key))
    answer = refused(gate, bearer(key))
    assert (answer.status, answer.code, answer.kind) == (429, "rate_limit_exceeded", "requests")
    assert answer.retry_after_s == pytest.approx(30.0)
    for _ in range(9):
        gate.admit(bearer(free))
    clock.now += 30.0
    gate.admit(bearer(key))
    assert refused(gate, bearer(key)).status == 429


def test_tokens_are_paid_afterwards_and_a_debt_is_waited_for(keys: ApiKeys) -> None:
    _, key = keys.create("ana", "t", tokens_per_minute=60)
    clock = Clock()
    gate = KeyGate(keys.all, clock)
    caller = gate.admit(bearer(key))
    gate.spend(caller, 100)  # 40 more than there were
    answer = refused(gate, bearer(key))
    assert (answer.status, answer.kind) == (429, "tokens")
    assert answer.retry_after_s == pytest.approx(41.0)
    clock.now += 41.0
    gate.admit(bearer(key))


def test_who_drains_lets_nobody_in(keys: ApiKeys) -> None:
    gate = KeyGate(keys.all)
    gate.draining = True
    answer = refused(gate, LOCAL)
    assert answer.status == 503
    assert answer.retry_after_s


def test_an_open_server_is_not_bound_where_others_reach_it() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        refuse_open_elsewhere(host, has_keys=False)
    for host in ("0.0.0.0", "::", "192.168.0.2", "example.org"):
        refuse_open_elsewhere(host, has_keys=True)
        with pytest.raises(PreconditionError, match="without API keys") as caught:
            refuse_open_elsewhere(host, has_keys=False)
        assert "corpusmith key create" in caught.value.hint
