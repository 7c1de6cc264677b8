from __future__ import annotations

from pathlib import Path

from corpusmith.store.eventlog import EventLog, read_events


def test_seq_has_no_gap_and_survives_reopening(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "r-1")
    log.append("note", text="one")
    EventLog(tmp_path, "r-1").append("note", text="two")
    assert [(e.seq, e.data["text"]) for e in read_events(log.path)] == [(0, "one"), (1, "two")]


def test_a_half_written_line_is_skipped_and_cut_off(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "r-1")
    log.append("note", text="one")
    with log.path.open("ab") as sink:
        sink.write(b'{"run_id": "r-1", "se')
    assert len(list(read_events(log.path))) == 1
    EventLog(tmp_path, "r-1").append("note", text="two")
    assert [e.seq for e in read_events(log.path)] == [0, 1]


def test_once_writes_once_even_across_processes(tmp_path: Path) -> None:
    EventLog(tmp_path, "r-1").once("decision", "d01", decision={})
    again = EventLog(tmp_path, "r-1")
    again.once("decision", "d01", decision={})
    again.once("measured", "d01", kept=True)
    assert [e.kind for e in again.events()] == ["decision", "measured"]
