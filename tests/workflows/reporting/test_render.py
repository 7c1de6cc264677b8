"""The report: self-contained, escaped, masked, small; and it can be written of a run at any moment."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import NotFoundError
from corpusmith.store.eventlog import LOG_NAME
from corpusmith.workflows.reporting import write_report
from corpusmith.workflows.reporting.render import breakable, clip, figure
from corpusmith.workflows.reporting.samples import excerpt, marked_difference, marked_placeholders, visible


class Tags(HTMLParser):
    """Collects tags, attributes that could load something, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "onload", "onclick", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report(finished: Any) -> str:
    return Path(finished.outcome["report"]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tags(report: str) -> Tags:
    parsed = Tags()
    parsed.feed(report)
    return parsed


def test_hostile_text_of_rows_names_and_request_stays_text(report: str, tags: Tags) -> None:
    assert not {"script", "svg"} & set(tags.tags)
    assert report.count("</style>") == 1
    assert "b" in tags.tags  # the page's own
    assert 'a<b>&"quote".jsonl' not in report
    assert "alert('row')" in tags.text
    assert 'a<b>&"quote".jsonl' in tags.text


def test_nothing_is_loaded_from_anywhere(report: str, tags: Tags) -> None:
    assert tags.loads == []
    assert "default-src 'none'" in report
    assert not re.search(r"url\(|@import|<link|<img|<iframe", report)
    assert len(report.encode()) < 1_000_000


def test_personal_data_is_masked_everywhere(report: str) -> None:
    assert "anna.berg" not in report
    assert "[EMAIL]" in report


def test_it_shows_the_gates_the_methods_and_the_samples(finished: Any, tags: Tags) -> None:
    for gate in finished.outcome["gates"]:
        assert gate["metric"] in tags.text
    for word in ("deliver", "exact-dedup", "Rows after each step", "Rows that were dropped", "Lineage", "replay"):
        assert word in tags.text
    assert "del" in tags.tags


def test_records_that_could_not_be_read_are_shown_with_their_reason(tags: Tags) -> None:
    assert "unreadable" in tags.text
    assert "cut off in the mid" in tags.text
    assert "not JSON" in tags.text
    assert "1 record was kept aside as unreadable (1 x not JSON): corpusmith why" in tags.text


def test_a_report_can_be_written_at_any_moment(finished: Any, tmp_path: Path) -> None:
    path = finished.workspace.runs.folder(finished.run_id) / LOG_NAME
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    run = finished.workspace.runs.get(finished.run_id)
    finished.workspace.runs.update(run.id, dataset=None, outcome={}, status="running")
    try:
        for upto in range(0, len(lines), 40):
            path.write_bytes(b"".join(lines[:upto]))
            write_report(finished.workspace, run.id, tmp_path / "report.html")
            assert "not finished" in (tmp_path / "report.html").read_text()
    finally:
        path.write_bytes(whole)
        finished.workspace.runs.update(run.id, dataset=run.dataset, outcome=run.outcome, status=run.status)
    with pytest.raises(NotFoundError):
        write_report(finished.workspace, "r-never", tmp_path / "report.html")


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.25, "0.2500"), (12.0, "12"), (1234.56, "1,234.6")])
def test_figures(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_names_break_after_their_marks_and_are_escaped() -> None:
    assert str(breakable("a_b.<c>")) == "a_<wbr>b.<wbr>&lt;c&gt;"
    assert clip("abcdef", 4) == "abc…"
    assert clip("abc", 4) == "abc"


def test_differences_mark_what_went_and_what_came() -> None:
    runs = marked_difference("the red house", "the blue house")
    assert runs == (("same", "the "), ("del", "red"), ("ins", "blue"), ("same", " house"))
    long = "word " * 2000
    assert sum(len(piece) for _, piece in marked_difference(long + "x", long + "y")) < 2000


def test_excerpts_are_short_and_masked() -> None:
    assert "anna" not in excerpt("mail anna.berg@harbour-office.org " + "x " * 1000)
    assert len(excerpt("x" * 5000)) < 500


def test_masked_values_are_shown_and_marked_however_late_they_stand() -> None:
    masked = "word " * 300 + "Write to [EMAIL] or call [PHONE] now. " + "word " * 300
    runs = marked_placeholders(masked, "pii.email")
    assert ("ins", "[EMAIL]") in runs
    assert ("ins", "[PHONE]") not in runs
    assert sum(len(piece) for _, piece in runs) < 400
    assert marked_placeholders("no such thing", "pii.email") == (("same", "no such thing"),)


def test_what_no_browser_shows_is_made_visible() -> None:
    assert marked_difference("a\u200b\x08 b", "a b") == (("same", "a"), ("del", "⟨U+200B⟩␈"), ("same", " b"))
    assert visible("tab\tand\nline\u00a0é") == "tab\tand\nline⟨U+00A0⟩é"
