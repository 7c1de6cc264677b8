"""`why`: every row ends in the result or at a rule, whatever it is asked by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import NotFoundError, ParameterError
from corpusmith.workflows.history import MOST_ROWS, UNEXPLAINED, RowHistory, difference, lineage, trace_row


def one(finished: Any, row: str, **more: Any) -> RowHistory:
    (found,) = trace_row(finished.workspace, finished.run_id, row, **more)
    return found


def row_ids(finished: Any) -> list[str]:
    first = lineage(finished.workspace, finished.workspace.resolve(finished.run_id))[0]
    read = first.table(["row_id"]).column(0).to_pylist()
    return read + first.ledger().column("row_id").to_pylist()


def id_of(finished: Any, line: int) -> str:
    return next(name for name in row_ids(finished) if name.endswith(f"#{line}"))


def test_every_row_ends_in_the_result_or_at_a_rule(finished: Any) -> None:
    result = set(finished.workspace.resolve(finished.run_id).table(["row_id"]).column(0).to_pylist())
    for name in row_ids(finished):
        ended = one(finished, name).ended
        assert UNEXPLAINED not in ended
        assert ("in the result" in ended) == (name in result)
        assert ("in the result" in ended) or ("dropped by" in ended) or ("never became a row" in ended)
    assert len(result) == 12


def test_a_kept_row_names_its_split(finished: Any) -> None:
    kept = next(h for h in (one(finished, name) for name in row_ids(finished)) if "in the result" in h.ended)
    assert ", in split " in kept.ended
    assert [happening.step for happening in kept.happenings][-1] == "deliver"


def test_a_copy_names_the_row_kept_and_the_rule(finished: Any) -> None:
    drops = [
        happening
        for name in row_ids(finished)
        for happening in one(finished, name).happenings
        if happening.action == "drop" and happening.rule.endswith("duplicate")
    ]
    assert drops
    assert all(drop.kept_row_id in row_ids(finished) for drop in drops)
    assert "was kept" in drops[0].line()


def test_a_record_that_could_not_be_read_is_told_by_id_and_by_text(finished: Any) -> None:
    (by_text,) = trace_row(finished.workspace, finished.run_id, "cut off in the mid")
    assert by_text.ended.startswith("never became a row: unreadable")
    assert one(finished, by_text.row_id).ended == by_text.ended


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("Entry 9 of  the\n town chronicle.", 10),  # white space folded
        ("shelf-009", 10),  # only among the other fields
        ("alert('row')", 1),  # taken out by a later step
        ("a copy", 22),
    ],
)
def test_rows_are_found_by_any_text_of_the_input(finished: Any, asked: str, line: int) -> None:
    found = trace_row(finished.workspace, finished.run_id, asked)
    assert id_of(finished, line) in [history.row_id for history in found]


def test_a_text_in_many_rows_tells_the_first_and_counts_all(finished: Any) -> None:
    found = trace_row(finished.workspace, finished.run_id, "town chronicle")
    assert len(found) == MOST_ROWS
    assert found[0].found_in == 22


def test_personal_data_is_hidden_on_both_sides_unless_revealed(finished: Any) -> None:
    row = id_of(finished, 2)
    hidden, shown = one(finished, row), one(finished, row, reveal=True)
    assert "anna.berg" not in "\n".join(hidden.lines()) + str(hidden.as_json())
    assert "anna.berg" in shown.text
    masked = [h for h in shown.happenings if h.rule == "pii.email"]
    if masked:  # a copy may be drawn away before it is masked
        assert "anna.berg" in masked[0].before
        assert "[EMAIL]" in masked[0].after


def test_a_change_shows_its_difference_once_a_step(finished: Any) -> None:
    changed = [h for h in one(finished, id_of(finished, 3)).happenings if h.action == "change"]
    assert changed
    assert "<div>" in changed[0].before
    assert "<div>" not in changed[0].after
    assert all(not h.before for h in changed[1:] if h.step == changed[0].step)


def test_what_is_not_there(finished: Any) -> None:
    with pytest.raises(NotFoundError):
        trace_row(finished.workspace, finished.run_id, "words that nobody wrote")
    with pytest.raises(ParameterError):
        trace_row(finished.workspace, finished.run_id, " \n")
    with pytest.raises(NotFoundError):
        trace_row(finished.workspace, "no-such-dataset", "a#1")


def test_any_reference_to_the_result_tells_the_same(finished: Any) -> None:
    row = id_of(finished, 0)
    told = trace_row(finished.workspace, finished.run_id, row)
    assert trace_row(finished.workspace, "last", row) == told
    assert trace_row(finished.workspace, finished.outcome["dataset"]["ref"], row) == told


@pytest.mark.parametrize(
    ("before", "after", "left", "right"),
    [
        ("a b c", "a b c", "", ""),
        ("a b c", "a x c", "a b c", "a x c"),
        ("", "a", "", "a"),
        ("x" * 9, "", "x" * 9, ""),
    ],
)
def test_difference(before: str, after: str, left: str, right: str) -> None:
    assert difference(before, after) == (left, right)


def test_the_difference_of_long_texts_is_where_they_part() -> None:
    words = [f"w{n}" for n in range(5000)]
    left, right = difference(" ".join(words), " ".join([*words[:1500], "other", *words[1501:]]))
    assert "w1500" in left
    assert "other" in right


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_text",
    [
        "Clean pre-training corpus in windows of 64 tokens, deduplicated, no personal data",
        "Make 30 instruction pairs out of these documents, clean, deduplicated, as JSONL in ChatML messages",
    ],
)
def test_no_row_of_a_planted_corpus_is_lost_where_rows_are_derived(
    tmp_path: Path, planted_corpus: Path, request_text: str
) -> None:
    from corpusmith.agent.options import RunOptions
    from corpusmith.apps.compose import App
    from corpusmith.core.settings import load_settings

    app = App.open(load_settings(tmp_path / "ws", workers=1), quiet=True)
    app.start(request_text, RunOptions(sources=(str(planted_corpus),)))
    data = app.workspace.resolve("last")
    roots = set()
    for name in lineage(app.workspace, data)[0].table(["row_id"]).column(0).to_pylist():
        (history,) = trace_row(app.workspace, "last", name)
        assert UNEXPLAINED not in history.ended
        if "in the result" in history.ended:
            roots.add(name)
    result = {name.split("~")[0] for name in data.table(["row_id"]).column(0).to_pylist()}
    assert roots == result
    derived = next(name for name in data.table(["row_id"]).column(0).to_pylist() if "~" in name)
    (history,) = trace_row(app.workspace, "last", derived)
    assert history.row_id == derived.split("~")[0]
    assert any(happening.action == "derive" for happening in history.happenings)
    app.workspace.close()


@pytest.fixture(scope="module")
def planted_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from corpusmith.evals.planting import plant

    return plant(tmp_path_factory.mktemp("planted"), profile="demo", seed=3, rows=120).corpus
