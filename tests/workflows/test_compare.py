"""`diff` of two datasets."""

from __future__ import annotations

from typing import Any

from corpusmith.workflows.compare import SAMPLES, compare
from corpusmith.workflows.story import load_story


def test_a_dataset_is_the_same_as_itself(finished: Any) -> None:
    found = compare(finished.workspace, "last", finished.outcome["dataset"]["ref"])
    assert (found.added, found.dropped, found.changed, found.same) == (0, 0, 0, 12)


def test_raw_against_result(finished: Any) -> None:
    path = load_story(finished.workspace, finished.run_id).path
    found = compare(finished.workspace, path[0].id, path[-1].id)
    assert found.added == 0
    assert found.dropped == path[0].rows - path[-1].rows
    assert found.same + found.changed == path[-1].rows
    assert len(found.samples["dropped"]) == min(SAMPLES, found.dropped)
    assert compare(finished.workspace, path[-1].id, path[0].id).added == found.dropped
    told = "\n".join(found.lines()) + str(found.as_json())
    assert "anna.berg" not in told


def test_changed_rows_show_both_sides(finished: Any) -> None:
    path = load_story(finished.workspace, finished.run_id).path
    changing = next(n for n, record in enumerate(path) if record.counts.changed.get("html"))
    found = compare(finished.workspace, path[changing - 1].id, path[changing].id)
    assert found.changed
    assert all(row["before"] != row["after"] for row in found.samples["changed"])
