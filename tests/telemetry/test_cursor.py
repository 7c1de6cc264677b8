from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.core.errors import WorkspaceError
from corpusmith.telemetry.cursor import load_cursor, save_cursor


def test_round_trip_belongs_to_run_and_destination(tmp_path: Path) -> None:
    path = tmp_path / "opik.cursor.json"
    assert load_cursor(path, "r", "d") == 0
    save_cursor(path, "r", "d", 7)
    assert load_cursor(path, "r", "d") == 7
    assert load_cursor(path, "other", "d") == 0
    assert load_cursor(path, "r", "other") == 0
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_id": "r", "destination": "d", "next_seq": "7"}',
                                  '{"run_id": "r", "destination": "d", "next_seq": -1}'])  # fmt: skip
def test_damaged_cursor_means_send_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "opik.cursor.json"
    path.write_text(text)
    assert load_cursor(path, "r", "d") == 0


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot write"):
        save_cursor(tmp_path / "missing" / "opik.cursor.json", "r", "d", 1)
