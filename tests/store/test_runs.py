from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.core.errors import NotFoundError, RunHeldError, WorkspaceError
from corpusmith.store.runs import Lease, is_held
from corpusmith.store.workspace import Workspace


def test_a_run_is_found_by_its_beginning_and_last(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "ws")
    workspace.runs.create("r-20260101-000000-aaaaaa", "one", {})
    workspace.runs.create("r-20260102-000000-bbbbbb", "two", {})
    assert workspace.runs.get("r-20260101").request == "one"
    assert workspace.runs.get("last").request == "two"
    with pytest.raises(NotFoundError, match="2 runs"):
        workspace.runs.get("r-2026")
    with pytest.raises(NotFoundError, match="no run"):
        workspace.runs.get("r-9")
    workspace.close()


def test_a_held_run_is_refused_and_free_again_after(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "r-1")
    assert is_held(tmp_path)
    with pytest.raises(RunHeldError, match="process"):
        Lease(tmp_path, "r-1")
    lease.release()
    assert not is_held(tmp_path)
    Lease(tmp_path, "r-1").release()


def test_publishing_counts_versions_and_repeats_none(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "ws")
    runs = workspace.runs
    assert [runs.publish("d", "a", None), runs.publish("d", "b", None), runs.publish("d", "a", None)] == [1, 2, 1]
    workspace.close()


def test_a_workspace_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "ws"
    path.write_text("x")
    with pytest.raises(WorkspaceError, match="is a file"):
        Workspace.open(path)
