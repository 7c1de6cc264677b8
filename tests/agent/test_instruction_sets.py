"""Instruction sets with planted leaks, repeats and answers out of the air: found by number, said, and repaired."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from corpusmith.agent.findings import UNCHECKED, as_seen, findings
from corpusmith.core.brief import Brief, OutputFormat, Splits
from corpusmith.core.gates import Gate, Metric, Scorecard, Severity
from corpusmith.core.rows import Shape
from corpusmith.tools.registry import TOOLS
from corpusmith.workflows.recipe import load_recipe
from corpusmith.workflows.replay import replay

Run = Callable[..., tuple[dict[str, Any], Any]]
THINGS = [
    "heron",
    "kiln",
    "glacier",
    "violin",
    "orchard",
    "lighthouse",
    "press",
    "marsh",
    "bridge",
    "mill",
    "organ",
    "quarry",
]
STUFF = [
    "reeds",
    "bricks",
    "gravel",
    "spruce",
    "blossom",
    "lamps",
    "type",
    "cordgrass",
    "masonry",
    "flour",
    "pipes",
    "granite",
]
TRAIN, TEST = 60, 12
LEAKS, REPEATS, UNGROUNDED = 4, 5, 6


def sentences(n: int) -> list[str]:
    """Six sentences on one subject."""
    a, b = THINGS[n % 12], STUFF[n % 12]
    return [
        f"At number {n} the {a} stands beside the {b} long before anybody in Aldwick is awake.",
        f"Old ledgers of the {a} count {n + 30} visitors, and most of them asked for {b}.",
        f"A keeper writes down every morning how the {a} looked and where the {b} was left.",
        f"In winter the {b} is covered with straw, which the {a} has outlived {n + 2} times.",
        f"Whoever wants to see the {a} pays {n + 3} coins at the gate behind the {b}.",
        f"Nobody remembers who first brought {b} to the {a}, though {n + 7} families claim it.",
    ]


def pair(n: int) -> dict[str, Any]:
    """A question of its own, answered out of one of twelve documents."""
    told = sentences(n % 12)
    at = n // 12
    asked = ["stands", "counted", "written", "covered", "paid", "claimed"][at]
    question = f"What is {asked} at the {THINGS[n % 12]}, as the chronicle of house {n} has it?"
    return {"instruction": question, "input": "", "output": f"{told[at]} {told[(at + 1) % 6]}", "split": "train"}


def planted() -> list[dict[str, Any]]:
    """60 rows of train and 12 of test; the last rows of train leak or repeat, some answers are made up."""
    rows = [pair(n) for n in range(TRAIN + TEST)]
    for row in rows[TRAIN:]:
        row["split"] = "test"
    for n in range(LEAKS):
        rows[TRAIN - 1 - n]["instruction"] = rows[TRAIN + n]["instruction"].upper()
    for n in range(REPEATS):
        rows[TRAIN - LEAKS - 1 - n]["instruction"] = rows[n]["instruction"]
    for n in range(UNGROUNDED):
        rows[10 + n]["output"] = made_up(n)
    return rows


def made_up(n: int) -> str:
    team = THINGS[(n * 5) % 12].upper()
    return f"Cloud spending of team {team} {n} fell by a third after engineers moved {n + 4} nightly jobs elsewhere."


@pytest.fixture
def docs(tmp_path: Path) -> str:
    folder = tmp_path / "articles"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.txt").write_text(" ".join(sentences(n)), encoding="utf-8")
    return str(folder)


def result_of(outcome: dict[str, Any], session: Any) -> pa.Table:
    return session.runner.workspace.artifacts.open(outcome["dataset"]["artifact"]).table()


def kept_methods(outcome: dict[str, Any]) -> list[str]:
    return [attempt["method"] for attempt in outcome["attempts"] if attempt["kept"]]


def test_leak_repeats_and_made_up_answers_are_found_said_and_repaired(run_request: Run, docs: str) -> None:
    text = f"Make this instruction set fit for training; answers must come from {docs}"
    outcome, session = run_request(text, planted())
    assert outcome["findings"] == [
        f"leak: of {TEST} rows outside train, {LEAKS} have an instruction that stands in train too",
        f"repeated: of {TRAIN + TEST} rows, {REPEATS} have an instruction that stands in an earlier row",
        f"ungrounded: of {TRAIN + TEST} answers, {UNGROUNDED} are not supported by {docs}",
    ]
    assert kept_methods(outcome) == ["unleak-train", "drop-ungrounded", "repeated-instructions", "deliver"]
    assert (outcome["status"], outcome["not_achieved"]) == (0, [])
    gates = {gate["metric"]: gate for gate in outcome["gates"]}
    assert (gates["instruction_leak_rate"]["before"], gates["instruction_leak_rate"]["value"]) == (LEAKS / TEST, 0.0)
    assert (gates["ungrounded_rate"]["before"], gates["ungrounded_rate"]["value"]) == (
        pytest.approx(UNGROUNDED / (TRAIN + TEST)),
        0.0,
    )
    table = result_of(outcome, session)
    assert outcome["dataset"]["splits"] == {"train": TRAIN - LEAKS - REPEATS - UNGROUNDED, "test": TEST}
    assert len(set(table.column("instruction").to_pylist())) == table.num_rows
    assert not [text for text in table.column("output").to_pylist() if text.startswith("Cloud")]
    notes = [event.data["text"] for event in session.log.events() if event.kind == "note"]
    assert set(outcome["findings"]) <= set(notes)


def test_a_recipe_holds_its_result_against_the_documents_again(run_request: Run, docs: str) -> None:
    outcome, session = run_request(f"Clean these instruction pairs, answers must come from {docs}", planted()[:9])
    assert kept_methods(outcome) == ["deliver"]
    done = replay(load_recipe(Path(outcome["recipe"])), session.runner, TOOLS)
    assert done.same
    assert [(gate.value, gate.passed) for gate in done.gates if gate.metric == "ungrounded_rate"] == [(0.0, True)]


def test_a_set_out_of_the_air_is_kept_and_the_run_says_so(run_request: Run, docs: str) -> None:
    rows = planted()
    for n, row in enumerate(rows[1:]):
        row["output"] = made_up(n)
    text = f"Make this instruction set fit for training, answers must be grounded in {docs}, keep duplicates"
    outcome, session = run_request(text, rows)
    assert outcome["status"] == 3
    assert outcome["dataset"]["rows"] == TRAIN + TEST - LEAKS - REPEATS
    (said,) = [line for line in outcome["not_achieved"] if "ungrounded_rate" in line]
    assert "drop-ungrounded was undone: it left" in said
    assert result_of(outcome, session).num_rows == outcome["dataset"]["rows"]


def test_a_hope_for_grounding_does_not_cost_half_of_the_rows(run_request: Run, docs: str) -> None:
    rows = planted()[: TRAIN - LEAKS - REPEATS]
    for n, row in enumerate(rows[::2]):
        row["output"] = made_up(n)
    text = f"Make these instruction pairs fit for training, grounded in {docs}, keep duplicates"
    outcome, _ = run_request(text, rows)
    assert (outcome["status"], outcome["dataset"]["rows"]) == (0, len(rows))
    (said,) = outcome["not_achieved"]
    assert said.startswith("should gate ungrounded_rate <= 0.05")
    assert "drop-ungrounded would take 5" in said


def test_a_great_leak_is_ended_by_a_new_split(run_request: Run) -> None:
    rows = planted()
    for n in range(TEST):
        for k in range(3):
            rows[3 * n + k]["instruction"] = rows[TRAIN + n]["instruction"]
    outcome, session = run_request("Make this instruction set fit for training, keep duplicates", rows)
    assert [(a["method"], a["kept"]) for a in outcome["attempts"][:2]] == [
        ("unleak-train", False),
        ("resplit-by-group", True),
    ]
    assert "more than 20%" in outcome["attempts"][0]["outcome"]
    table = result_of(outcome, session).to_pylist()
    sides = {row["instruction"].casefold(): row["split"] for row in table}
    assert all(sides[row["instruction"].casefold()] == row["split"] for row in table)
    assert outcome["dataset"]["splits"]["test"] > 0
    assert UNCHECKED in outcome["findings"]


def test_pairs_are_known_without_being_named(run_request: Run) -> None:
    outcome, _ = run_request("Make this data fit for training", planted())
    metrics = {gate["metric"] for gate in outcome["gates"]}
    assert {"instruction_leak_rate", "split_leak_rate", "empty_response_rate", "repeated_instruction_rate"} <= metrics
    assert not [metric for metric in metrics if metric.startswith("gopher")]
    assert kept_methods(outcome) == ["unleak-train", "repeated-instructions", "deliver"]


def test_a_split_that_is_asked_for_takes_the_place_of_the_one_that_came(run_request: Run) -> None:
    outcome, session = run_request(
        "Make this instruction set fit for training, 80/20 split, keep duplicates", planted()
    )
    assert "unleak-train" not in kept_methods(outcome)
    gates = {gate["metric"]: gate["value"] for gate in outcome["gates"]}
    assert (gates["instruction_leak_rate"], gates["split_leak_rate"]) == (0.0, 0.0)
    assert result_of(outcome, session).num_rows == TRAIN + TEST - REPEATS - LEAKS


def test_preference_pairs_that_prefer_nothing_are_counted(run_request: Run) -> None:
    rows = [
        {
            "prompt": row["instruction"],
            "chosen": row["output"],
            "rejected": "I do not know that." if n % 8 else row["output"],
        }
        for n, row in enumerate(planted()[10 : TRAIN - LEAKS - REPEATS])
    ]
    outcome, _ = run_request("Make these preference pairs fit for training", rows)
    assert outcome["findings"][0] == "identical: of 41 rows, 6 have the same text as chosen and as rejected"
    assert (outcome["status"], outcome["dataset"]["rows"]) == (0, 35)


def card_of(**values: tuple[float, int]) -> Scorecard:
    return Scorecard(metrics={name: Metric(value=value, n=n) for name, (value, n) in values.items()})


def test_gates_that_were_asked_for_stay_and_only_defaults_give_way() -> None:
    asked = Gate(metric="repeated_instruction_rate", op="<=", target=0.5, severity=Severity.MUST, why="said so")
    prose = Gate(metric="gopher_quality_fail_rate", op="<=", target=0.05, why="house default: Gopher")
    told = Gate(metric="gopher_repetition_fail_rate", op="<=", target=0.05, why="asked for")
    brief = Brief(request="x", gates=(asked, prose, told))
    seen = as_seen(brief, Shape.INSTRUCTION, card_of(rows=(4, 4)))
    assert seen.gates[:2] == (asked, told)
    assert [gate.metric for gate in seen.gates[2:]] == ["empty_response_rate"]
    assert as_seen(brief, Shape.TEXT, card_of(rows=(4, 4))) == brief


@pytest.mark.parametrize(
    ("train", "metrics"), [(1.0, {"split_leak_rate", "instruction_leak_rate"}), (0.9, {"instruction_leak_rate"})]
)
def test_data_that_came_split_must_not_leak(train: float, metrics: set[str]) -> None:
    brief = Brief(request="x", splits=Splits(train=train, test=1 - train), output=OutputFormat(shape=Shape.INSTRUCTION))
    card = card_of(split_leak_rate=(0.0, 5), instruction_leak_rate=(0.2, 5))
    seen = as_seen(brief, Shape.INSTRUCTION, card)
    assert {gate.metric for gate in seen.gates} == metrics
    assert {gate.severity for gate in seen.gates} == {Severity.MUST}


def test_what_could_not_be_looked_at_is_said() -> None:
    named = Brief(request="x", grounded_in=("docs.txt",))
    assert findings(Brief(request="x"), Shape.INSTRUCTION, card_of()) == [("ungrounded_rate", UNCHECKED)]
    assert findings(Brief(request="x"), Shape.TEXT, card_of()) == []
    ((metric, said),) = findings(named, Shape.INSTRUCTION, card_of())
    assert metric == "ungrounded_rate"
    assert "long enough" in said
    assert findings(named, Shape.INSTRUCTION, card_of(ungrounded_rate=(0.0, 9))) == []
    assert json.dumps(findings(named, Shape.INSTRUCTION, card_of(ungrounded_rate=(0.5, 8))))
