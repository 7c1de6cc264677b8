from __future__ import annotations

from pathlib import Path

import pytest
from run_logs import RunLog

from corpusmith.core.errors import NotFoundError, WorkspaceError
from corpusmith.telemetry.log_reader import read_log


def test_half_written_last_line_does_not_count(log: RunLog) -> None:
    log.whole(1)
    whole = read_log(log.path)
    raw = log.path.read_bytes()
    for cut in (1, 2, 30, len(raw.splitlines()[-1])):
        log.path.write_bytes(raw[:-cut])
        assert read_log(log.path) == whole[:-1]


def test_a_log_that_has_not_begun_is_empty(log: RunLog) -> None:
    assert read_log(log.path) == []


def test_missing_log(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"log\.jsonl"):
        read_log(tmp_path / "log.jsonl")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [lines[0], b"{", *lines[1:]], "line 2"),
        (lambda lines: lines[:1] + lines[2:], "event 2 of .*, expected event 1"),
        (lambda lines: lines[:2] + lines[1:], "event 1 of .*, expected event 2"),
        (lambda lines: [lines[0], lines[1].replace(b"abcdef", b"000000"), *lines[2:]], "line 2"),
    ],
)
def test_damage_in_the_middle_is_named(log: RunLog, damage: object, message: str) -> None:
    log.whole(1)
    log.path.write_bytes(b"\n".join(damage(log.path.read_bytes().splitlines())) + b"\n")  # type: ignore[operator]
    with pytest.raises(WorkspaceError, match=message):
        read_log(log.path)
