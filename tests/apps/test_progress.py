"""Progress lines, and the narration of a run's events."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.apps.narration import Narrator
from corpusmith.apps.output import figure, table
from corpusmith.apps.progress import Progress
from corpusmith.core.events import Event, EventKind


def test_rows_rate_and_time_left() -> None:
    progress = Progress()
    progress.doing("clean")
    progress.begin(9000)
    progress.rows(3000)
    assert progress.standing(10.0) == "clean: 3,000 of 9,000 rows, 300/s, 20 s left"
    progress.rows(6000)
    assert "left" not in progress.standing(30.0)


def test_nothing_is_shown_of_what_is_quick_and_nothing_at_all_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.begin(10)
    progress.rows(10)
    quiet = Progress(quiet=True)
    quiet.line("hello")
    assert capsys.readouterr() == ("", "")


class Lines(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def line(self, text: str) -> None:
        self.said.append(text)


def tell(*events: tuple[EventKind, dict[str, Any]]) -> list[str]:
    lines = Lines()
    narrator = Narrator(lines)
    for n, (kind, data) in enumerate(events):
        narrator.tell(Event(run_id="r", seq=n, time=0.0, kind=kind, data=data))
    return lines.said


def test_a_turn_is_told_by_its_reason_and_its_verdict() -> None:
    counts: dict[str, Any] = {"dropped": {}}
    step = {"tool": "dedup", "artifact": "a1", "rows_in": 1200, "rows_out": 900, "counts": counts}
    decision = {"turn": 3, "chosen": "exact-dedup", "why": "copies are 0.25, its gate says <= 0; known harm: none"}
    said = tell(
        ("decision", {"decision": decision}),
        ("step_started", {"tool": "dedup"}),
        ("step_finished", step),
        ("measured", {"artifact": "a1", "kept": False, "outcome": "it breaks the floor"}),
    )
    assert said == [
        "turn 3   exact-dedup: copies are 0.25, its gate says <= 0",
        "         rolled back: it breaks the floor (1,200 -> 900 rows)",
    ]


def test_trials_on_samples_are_not_told_and_unreadable_records_are() -> None:
    sample = {"tool": "sample", "artifact": "s", "rows_in": 9, "rows_out": 4, "counts": {"dropped": {}}}
    ingest = {**sample, "tool": "ingest", "rows_out": 7, "counts": {"dropped": {"unreadable": 2}}}
    failed = {"tool": "clean", "status": "failed", "error": "no"}
    assert tell(("step_finished", sample), ("step_finished", failed), ("step_finished", ingest)) == [
        "         7 rows, 2 records kept aside as unreadable"
    ]


def test_what_was_not_understood_is_said_before_anything_is_read() -> None:
    brief = {"not_understood": ["as a cake"], "sources": ["a.jsonl"], "decontaminate_against": ["exam.jsonl"]}
    assert tell(("brief", {"brief": brief})) == ["not understood: as a cake", "reading  a.jsonl, exam.jsonl"]


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.0, "0.0000"), (0.25, "0.2500"), (1200.0, "1,200"), (2.5, "2.5000")]
)
def test_figures(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_tables_align_numbers_to_the_right() -> None:
    assert table(("name", "n"), [("a", "1"), ("bcd", "1,000")]).splitlines() == [
        "name      n",
        "----  -----",
        "a         1",
        "bcd   1,000",
    ]


def test_files_that_were_not_read_are_told() -> None:
    text = "Not read: b.csv: has no column text."
    assert tell(("note", {"key": f"ingest {text}", "text": text}), ("note", {"key": "ingest x", "text": "x"})) == [
        f"         {text}"
    ]
