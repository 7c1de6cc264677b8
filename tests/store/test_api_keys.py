from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.store.api_keys import ApiKeys, parse_key
from corpusmith.store.database import LEDGER_NAME, Database


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[ApiKeys]:
    database = Database(tmp_path)
    yield ApiKeys(database)
    database.close()


def test_a_key_is_shown_once_and_is_nowhere_on_disk(keys: ApiKeys, tmp_path: Path) -> None:
    made, key = keys.create("ana", "tester", requests_per_minute=60, redact=True)
    parsed = parse_key(key)
    assert parsed is not None
    assert parsed[0] == made.id
    assert made.opens(parsed[1])
    assert not made.opens(parsed[1][:-1] + ("A" if parsed[1][-1] != "A" else "B"))
    written = b"".join(path.read_bytes() for path in tmp_path.glob(f"{LEDGER_NAME}*"))
    assert parsed[1].encode() not in written
    assert made.digest.encode() in written
    assert (made.requests_per_minute, made.tokens_per_minute, made.redact) == (60, None, True)


def test_two_keys_share_nothing(keys: ApiKeys) -> None:
    (one, first), (two, second) = keys.create("one", "t"), keys.create("two", "t")
    assert len({one.id, two.id, one.salt, two.salt, one.digest, two.digest, first, second}) == 8
    assert not one.opens(second.rpartition("-")[2])


def test_a_revoked_key_stays_on_record_and_its_name_taken(keys: ApiKeys) -> None:
    keys.create("ana", "t")
    revoked = keys.revoke("ana")
    assert revoked.revoked is not None
    assert keys.revoke("ana").revoked == revoked.revoked
    assert [key.name for key in keys.all()] == ["ana"]
    with pytest.raises(PreconditionError, match="there is a key 'ana' already"):
        keys.create("ana", "t")


def test_what_cannot_be_is_refused(keys: ApiKeys) -> None:
    with pytest.raises(ParameterError, match="is no name"):
        keys.create("a\nb", "t")
    with pytest.raises(ParameterError, match="at least 1"):
        keys.create("ana", "t", tokens_per_minute=0)
    with pytest.raises(NotFoundError, match="no key 'bo'"):
        keys.revoke("bo")


@pytest.mark.parametrize("text", ["", "cs-", "sk-abc", "cs-0123456789ab-short", "cs-0123456789ab-" + "x" * 44])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None
