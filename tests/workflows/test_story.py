"""The story of a run, at its end and on the way."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.core.errors import NotFoundError
from corpusmith.store.eventlog import LOG_NAME
from corpusmith.workflows.story import load_story


def test_the_story_of_a_finished_run(finished: Any) -> None:
    story = load_story(finished.workspace, finished.run_id)
    assert story.path[0].tool == "ingest"
    assert story.path[-1].tool == "format"
    assert story.name_of(story.path[-1]) == "deliver"
    assert story.name_of(story.path[0]) == "ingest"
    assert story.profile_start
    assert story.profile_end
    assert story.profile_start != story.profile_end
    assert all(d.kept is not None for d in story.decisions if d.chosen != "stop")
    assert story.as_json()["outcome"]["dataset"]["rows"] == 12
    assert any(line.startswith("dataset") for line in story.lines())
    assert any(line.startswith("assumed") for line in story.lines()), "what was filled in is told after the run too"


def test_a_run_is_told_from_every_moment_of_its_log(finished: Any) -> None:
    path = finished.workspace.runs.folder(finished.run_id) / LOG_NAME
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    try:
        for upto in range(0, len(lines), 9):
            path.write_bytes(b"".join(lines[:upto]) + lines[upto][:5])
            assert load_story(finished.workspace, finished.run_id).lines()
    finally:
        path.write_bytes(whole)


def test_no_such_run(finished: Any) -> None:
    with pytest.raises(NotFoundError):
        load_story(finished.workspace, "r-never")
