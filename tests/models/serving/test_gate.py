from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.serving.contract import ANYONE, Refused
from corpusmith.models.serving.gate import KeyGate, refuse_open_elsewhere
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.database import Database
from corpusmith.store.key_levels import KeyLevels, Rate

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


def test_a_rate_holds_for_all_processes_and_what_was_too_much_is_waited_for(keys: ApiKeys) -> None:
    _, key = keys.create("ana", "t", requests_per_minute=4)
    clock, levels = Clock(), KeyLevels(keys.database)

    def settle(spent: Mapping[Rate, float], limits: Mapping[Rate, int]) -> Mapping[Rate, float]:
        return levels.settle(spent, limits, clock.now)

    one, two = KeyGate(keys.all, clock, settle), KeyGate(keys.all, clock, settle)
    for _ in range(3):
        one.admit(bearer(key))
    one.refresh()
    two.refresh()
    two.admit(bearer(key))
    assert refused(two, bearer(key)).status == 429
    one.admit(bearer(key))  # it does not know yet of what the other let in
    for gate in (two, one, two):
        gate.refresh()
        assert refused(gate, bearer(key)).status == 429
    assert refused(two, bearer(key)).retry_after_s == pytest.approx(30.0)  # one too many: 2 at 4 a minute
    third = KeyGate(keys.all, clock, settle)
    assert refused(third, bearer(key)).status == 429
    clock.now += 30.0
    third.refresh()
    third.admit(bearer(key))
    assert refused(third, bearer(key)).status == 429
    clock.now += 600.0
    one.refresh()
    for _ in range(4):
        one.admit(bearer(key))
    assert refused(one, bearer(key)).status == 429


def test_a_ledger_that_is_away_lets_each_process_count_for_itself(keys: ApiKeys) -> None:
    _, key = keys.create("ana", "t", tokens_per_minute=60)
    clock, away = Clock(), [False]

    def settle(spent: Mapping[Rate, float], limits: Mapping[Rate, int]) -> Mapping[Rate, float]:
        if away[0]:
            raise OSError("the disk is gone")
        return KeyLevels(keys.database).settle(spent, limits, clock.now)

    gate = KeyGate(keys.all, clock, settle)
    caller = gate.admit(bearer(key))
    away[0] = True
    gate.spend(caller, 100)
    with pytest.raises(OSError, match="gone"):
        gate.refresh()
    assert refused(gate, bearer(key)).retry_after_s == pytest.approx(41.0)
    away[0] = False
    gate.refresh()
    gate.refresh()
    other = KeyGate(keys.all, clock, settle)
    assert refused(other, bearer(key)).retry_after_s == pytest.approx(41.0)


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
