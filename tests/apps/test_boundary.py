"""The boundary: errors to lines, hints and statuses."""

from __future__ import annotations

import errno
import io
import json
import sys
from pathlib import Path

import pytest

from corpusmith.apps.boundary import boundary, with_workspace
from corpusmith.core.errors import ApprovalRequired, BudgetExceeded, Cancelled, ParameterError, WorkspaceError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ParameterError("wrong", hint="Do it right."), 2),
        (ApprovalRequired("asks", action="r/p-1"), 4),
        (BudgetExceeded("spent"), 5),
        (Cancelled("stopped"), 130),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 2),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), 2),
        (OSError(errno.EIO, "Input/output error"), 1),
        (ValueError("a defect"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_statuses(error: BaseException, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done, boundary(True):
        raise error
    out, err = capsys.readouterr()
    assert done.value.code == status
    assert json.loads(out)["status"] == status
    assert len(out.splitlines()) == 1
    assert "corpusmith: " in err


def test_the_run_to_resume_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), boundary(False, Path("ws")):
        raise WorkspaceError("full", hint="Free some space, then `corpusmith resume` goes on.", run_id="r-7")
    assert "`corpusmith resume r-7 --workspace ws`" in capsys.readouterr().err


def test_a_reader_who_has_enough_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit) as done, boundary(False):
        raise BrokenPipeError
    assert done.value.code == 0


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("corpusmith resume r-1", "corpusmith resume r-1 --workspace 'my ws'"),
        ("See `corpusmith runs`.", "See `corpusmith runs --workspace 'my ws'`."),
        ("See `corpusmith run --help`.", "See `corpusmith run --help`."),
        ("Give another with --workspace DIR.", "Give another with --workspace DIR."),
        ("Check the path.", "Check the path."),
    ],
)
def test_hints_carry_the_workspace_that_was_typed(hint: str, shown: str) -> None:
    assert with_workspace(hint, Path("my ws")) == shown
    assert with_workspace(hint, None) == hint
