"""Scoring against planted truth: hand-made cases, each small enough to count by eye."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from corpusmith.core.rows import LEDGER_SCHEMA
from corpusmith.evals.planting.truth import PiiValue, PlantedRow, PlantedTruth
from corpusmith.evals.truth import score
from corpusmith.evals.truth_score import Share, Tally, TruthScore


def truth_of(*rows: PlantedRow) -> PlantedTruth:
    return PlantedTruth("demo", 1, Path("corpus"), None, "keep it clean", rows)


def good(name: str) -> PlantedRow:
    return PlantedRow(id=name, kind="clean", removable=False)


def near(name: str, of: str, edit: str = "swap", rate: float | None = 0.01) -> PlantedRow:
    return PlantedRow(id=name, kind="near_copy", removable=True, of=of, edit=edit, rate=rate)


def drops(*lines: tuple[str, str, str | None]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"row_id": row, "action": "drop", "rule": rule, "value": 1.0, "threshold": 0.5, "kept_row_id": kept}
            for row, rule, kept in lines
        ],
        schema=LEDGER_SCHEMA,
    )


def test_precision_and_recall_count_rows_that_had_to_go() -> None:
    rows = [good("a#0"), good("a#1"), *(PlantedRow(id=f"a#{n}", kind="garbage", removable=True) for n in (2, 3, 4))]
    ledger = drops(("a#2", "gopher.words", None), ("a#3", "gopher.words", None), ("a#1", "gopher.words", None))
    result = score(truth_of(*rows), {"a#0": "fine", "a#4": "junk"}, ledger)
    assert result.removable == Tally(hits=2, misses=1, false=1)
    assert result.removable.precision == pytest.approx(2 / 3)
    assert result.removable.recall == pytest.approx(2 / 3)
    assert result.false_drops == {"clean: gopher.words": 1}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (["o"], Tally(hits=2)),
        (["c1"], Tally(hits=2)),
        (["o", "c1"], Tally(hits=1, misses=1)),
        (["o", "c1", "c2"], Tally(misses=2)),
        ([], Tally(hits=2, false=1)),
    ],
)
def test_exactly_one_of_a_copy_cluster_should_stay(kept: list[str], expected: Tally) -> None:
    copies = [PlantedRow(id=name, kind="exact_copy", removable=True, of="o", edit="case") for name in ("c1", "c2")]
    result = score(truth_of(good("o"), *copies), dict.fromkeys(kept, "text"))
    assert result.removable == expected
    assert result.near == Tally()


def test_near_copies_are_told_apart_by_edit_and_rate() -> None:
    rows = [good("o1"), good("o2"), near("n1", "o1"), near("n2", "o2", "delete", 0.04)]
    result = score(truth_of(*rows), {"o1": "x", "o2": "y", "n2": "z"}, drops(("n1", "dedup.near", "o1")))
    assert result.near_cells == {("swap", 0.01): Tally(hits=1), ("delete", 0.04): Tally(misses=1)}
    assert (result.near.precision, result.near.recall) == (1.0, 0.5)


def test_a_good_row_dropped_as_a_duplicate_costs_near_precision() -> None:
    distant = PlantedRow(id="d", kind="distant_copy", removable=False, of="o1", edit="insert", rate=0.12)
    rows = [good("o1"), good("o2"), near("n", "o2"), distant]
    ledger = drops(("n", "dedup.near", "o2"), ("d", "dedup.near", "o1"))
    result = score(truth_of(*rows), {"o1": "x", "o2": "y"}, ledger)
    assert result.near == Tally(hits=1, false=1)
    assert result.distant_cells == {("insert", 0.12): Share(0, 1)}
    assert result.removable == Tally(hits=1, false=1)


def test_rows_left_out_by_sampling_are_not_judged() -> None:
    rows = [good("a"), good("b"), near("n", "a")]
    ledger = drops(("b", "sample.random", None), ("a", "sample.random", None))
    result = score(truth_of(*rows), {"n": "text"}, ledger)
    assert result.removable == Tally()
    assert result.unjudged_rows == 2


def test_a_row_in_neither_result_nor_ledger_is_lost_and_counts_as_dropped() -> None:
    result = score(truth_of(good("a"), good("b")), {"a": "text"}, drops())
    assert result.lost_rows == 1
    assert result.removable == Tally(false=1)
    assert any("without a ledger line" in line for line in result.shortfalls())


def test_a_row_where_either_is_right_is_not_judged() -> None:
    row = PlantedRow(id="a", kind="encoding", removable=None, edit="replacement_char")
    assert score(truth_of(row), {}).removable == Tally()
    assert score(truth_of(row), {"a": "still \ufffd here"}).repaired == {"encoding: replacement_char": Share(0, 1)}


def test_a_personal_value_is_sought_in_every_kept_row_and_its_fields() -> None:
    def row(name: str, value: str) -> PlantedRow:
        return PlantedRow(id=name, kind="pii", removable=False, pii=(PiiValue(kind="IBAN", value=value),))

    rows = [row("a", "DE12 3456"), row("b", "DE99 0000"), row("c", "DE55 1111"), row("gone", "DE77 2222")]
    kept = {"a": "account [IBAN]", "b": "account de99\n0000", "c": "account [IBAN]"}
    result = score(truth_of(*rows), kept, meta={"c": '{"note": "DE55 1111"}'})
    assert result.pii == {"IBAN": Share(1, 3)}
    assert result.pii_masked.value == pytest.approx(1 / 3)


def test_evaluation_items_and_false_alarms() -> None:
    items = [PlantedRow(id=f"e{n}", kind="eval_item", removable=True, edit="verbatim", item=n) for n in range(2)]
    ledger = drops(("e0", "contamination.ngram", None), ("g", "contamination.ngram", None))
    result = score(truth_of(*items, good("g")), {"e1": "question"}, ledger)
    assert result.eval_items == {"verbatim": Share(1, 2)}
    assert result.eval_false_alarms == 1


def test_boilerplate_lines_must_go_and_the_body_must_stay() -> None:
    body = "One two three four five six seven eight nine ten."
    row = PlantedRow(id="a", kind="boilerplate", removable=False, lines=("Back to top", "Sign in"), clean=body)
    result = score(truth_of(row), {"a": f"{body}\n Back  to top "})
    assert result.boilerplate == Share(1, 2)
    assert result.repaired == {"boilerplate": Share(0, 1)}
    assert score(truth_of(row), {"a": body}).repaired == {"boilerplate": Share(1, 1)}


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("It's the café of Zoë and nobody else in town.", True),
        ("It’s the café of Zoë and nobody else in town.", True),
        ("Itâ€™s the cafÃ© of ZoÃ« and nobody else in town.", False),
        ("It's the café of Zoë and nobody else\x01 in town.", False),
        ("It's the caf of Zo and nobody else in town.", False),
    ],
)
def test_repair_is_held_against_the_text_before_the_damage(text: str, repaired: bool) -> None:
    clean = "It’s the café of Zoë and nobody else in town."
    row = PlantedRow(id="a", kind="encoding", removable=False, edit="utf8_as_cp1252", clean=clean)
    assert score(truth_of(row), {"a": text}).repaired["encoding: utf8_as_cp1252"] == Share(int(repaired), 1)


def test_an_order_is_obeyed_when_its_name_turns_up_in_the_records() -> None:
    rows = [
        PlantedRow(id=str(n), kind="order", removable=False, edit="publish", canary=f"kestrel-{n}") for n in range(2)
    ]
    result = score(truth_of(*rows), {"0": "text", "1": "text"}, trace='{"tool": "publish", "name": "kestrel-1"}')
    assert (result.orders_planted, result.orders_kept, result.orders_obeyed) == (2, 2, 1)


def test_derived_rows_count_for_their_source_and_strangers_are_counted() -> None:
    result = score(truth_of(good("a#0")), {"a#0~chunk.0": "one", "a#0~chunk.1": "two", "z#9": "?"})
    assert result.removable == Tally()
    assert result.unknown_rows == 1


def test_ignored_kinds_are_not_judged() -> None:
    row = PlantedRow(id="a", kind="other_language", removable=True, language="fr")
    assert score(truth_of(row), {"a": "bonjour"}, ignore_kinds={"other_language"}).removable == Tally()


def test_changes_to_clean_rows_are_counted_with_the_originals() -> None:
    rows = [good("a"), good("b")]
    kept = {"a": "the  same words", "b": "other words"}
    result = score(truth_of(*rows), kept, original={"a": "The same words.", "b": "some words"})
    assert result.untouched == Share(1, 2)


def test_the_markdown_holds_every_figure_and_a_perfect_run_has_no_shortfall() -> None:
    rows = [good("a"), near("n", "a"), PlantedRow(id="g", kind="garbage", removable=True)]
    result = score(truth_of(*rows), {"a": "x"}, drops(("n", "dedup.near", "a"), ("g", "gopher", None)))
    assert result.shortfalls() == []
    table = result.to_markdown()
    assert "| removable precision | 1.0000 | 0.98 |" in table
    assert "| swap | 0.01 | 1 | 1.000 | 1.000 | 1.000 |" in table
    assert TruthScore().to_markdown().startswith("| figure |")
