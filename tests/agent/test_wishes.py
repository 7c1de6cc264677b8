"""What is asked for and no number shows: it is done, or the run says that it was not, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpusmith.agent.guard import objections, verdict_on
from corpusmith.agent.methods import method
from corpusmith.agent.planner import STOP, Attempt, Proposal
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.core.brief import Balance, Brief, NumberRange, OutputFormat, Size, Splits
from corpusmith.core.gates import Gate, Severity
from corpusmith.tools.registry import TOOLS

WORDS = "river stone market lantern wheel garden bridge winter letter basket orchard mirror candle saddle"
TOWNS = WORDS.split(" ")


def story(n: int) -> str:
    """A text of its own for each n."""
    lines = []
    for k in range(1, 9):
        a, b, c = (TOWNS[(n * p + k * q + k * k * n) % len(TOWNS)] for p, q in ((3, 5), (5, 7), (11, 13)))
        lines.append(f"On day {n * k + 1} the {a} of town {n} was to be sold with a {b}, and the {c} that we have.")
    return "\n".join(lines)


def oversampled(files: str = "jsonl") -> dict[str, Any]:
    return {
        "balance": Balance(method="oversample", field="label"),
        "splits": Splits(train=0.8, test=0.2),
        "output": OutputFormat.model_validate({"files": files}),
    }


def test_oversampling_is_kept_and_its_files_are_written_as_asked(run_request) -> None:
    rows = [{"text": story(n), "label": "rare" if n % 6 == 0 else "common"} for n in range(60)]
    outcome, session = run_request("a clean, deduplicated corpus", rows, brief=oversampled())
    assert not [line for line in outcome["not_achieved"] if "asked for" in line]
    folder = Path(outcome["dataset"]["path"])
    written = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "test")
    }
    assert {name: len(lines) for name, lines in written.items()} == outcome["dataset"]["splits"]
    labels = [json.loads(row["meta"])["label"] for row in written["train"]]
    assert labels.count("rare") == labels.count("common")
    assert not {row["text"] for row in written["train"]} & {row["text"] for row in written["test"]}
    notes = [event.data["text"] for event in session.log.events() if event.kind == "note"]
    assert any("before the oversampling" in note for note in notes)


def test_a_wish_that_could_not_be_served_is_said_and_fails_the_run(run_request) -> None:
    rows = [{"text": story(n), "price": n} for n in range(30)]
    outcome, _ = run_request("a clean corpus", rows, brief={"numbers": (NumberRange(field="cost", low=1.0),)})
    assert outcome["status"] == 3
    assert any(
        line.startswith("asked for but not done: numbers: it left no rows (") for line in outcome["not_achieved"]
    )
    assert outcome["dataset"]["rows"] == 30


def test_nothing_is_drawn_where_there_is_no_more_than_was_asked_for(run_request) -> None:
    outcome, _ = run_request("a clean corpus of 500 documents", [story(n) for n in range(30)])
    assert all(attempt["method"] != "seeded-draw" for attempt in outcome["attempts"])
    assert outcome["dataset"]["rows"] == 30


def test_a_wish_without_a_method_left_does_not_hold_up_the_stop(make_view) -> None:
    brief = Brief(request="x", lowercase=True)
    failed = Attempt(
        method="lowercase", params={"lowercase": True}, metric="wish:lowercase", data="d" * 32, kept=False, outcome="no"
    )
    stop = Proposal(planner="rules", method=STOP)
    assert objections(stop, make_view(brief, {}, served=("format",), attempts=(failed,)), TOOLS) == ()
    assert objections(stop, make_view(brief, {}, attempts=(failed,)), TOOLS)


@pytest.mark.parametrize(
    ("numbers", "low", "high"),
    [
        ((), -1e15, 1e15),
        ((NumberRange(field="year", low=1900),), 1900, 1e15),
        ((NumberRange(field="age", low=2),), -1e15, 1e15),
    ],
)
def test_slots_of_any_number_keep_the_range_that_was_asked_for(
    make_view, numbers: Any, low: float, high: float
) -> None:
    brief = Brief(request="x", balance=Balance(method="number_slots", field="year", cap=10), numbers=numbers)
    (params,) = method("seeded-draw").settings(make_view(brief, {}))
    assert (params["low"], params["high"], params["keep_above"]) == (low, high, 1e15)


def test_rows_and_tokens_together_bound_the_draw(make_view) -> None:
    (params,) = method("seeded-draw").settings(make_view(Brief(request="x", size=Size(rows=5, tokens=900)), {}))
    assert params == {"method": "token_budget", "tokens": 900, "rows": 5}


def test_rules_are_blunt_only_when_enough_rows_say_so(make_view) -> None:
    gate = Gate(metric="gopher_quality_fail_rate", op="<=", target=0.05, severity=Severity.SHOULD)
    tried = []

    def trial(_name: str, params: Any) -> dict[str, float]:
        tried.append(params)
        return {"gopher_quality_fail_rate": 0.2, "sample_retention": 0.8, "dropped:gopher_quality.min_words": 0.2}

    view = make_view(Brief(request="x", gates=(gate,)), {"gopher_quality_fail_rate": 0.4}, trials=trial)
    RulesPlanner().decide(replace(view, sample_rows=10, rows=10))
    few = len(tried)
    tried.clear()
    RulesPlanner().decide(view)
    assert few < len(tried)


def test_rows_that_the_files_leave_out_are_no_rows_kept(run_request) -> None:
    rows = [
        {"prompt": f"What of town {n}?", "chosen": story(n), "rejected": story(n) if n % 3 == 0 else story(n + 100)}
        for n in range(30)
    ]
    outcome, _ = run_request("preference pairs for DPO, keep at least 90% of the rows", rows)
    retention = next(gate for gate in outcome["gates"] if gate["metric"] == "retention")
    assert outcome["dataset"]["rows"] == 20
    assert retention["value"] == pytest.approx(20 / 30)
    assert outcome["status"] == 3


@pytest.mark.parametrize(
    ("kept", "unmet", "taken"), [(1.0, 0.19, False), (0.93, 0.31, False), (0.91, 0.12, True), (0.95, 0.0, True)]
)
def test_a_step_for_a_hope_must_be_worth_its_rows(make_view, kept: float, unmet: float, taken: bool) -> None:
    gate = Gate(metric="truncated_rate", op="<=", target=0.05, severity=Severity.SHOULD)
    view = make_view(
        Brief(request="x", gates=(gate,)),
        {"truncated_rate": 0.25},
        trials=lambda _name, _params: {"truncated_rate": 0.05 + unmet, "sample_retention": kept},
    )
    assert (RulesPlanner().decide(view).method == "drop-truncated") is taken


def test_a_second_target_on_a_metric_is_worked_on_when_the_first_holds(make_view) -> None:
    must = Gate(metric="near_duplicate_rate", op="<=", target=0.02)
    view = make_view(
        Brief(request="x", gates=(must, must.model_copy(update={"target": 0.0, "severity": Severity.SHOULD}))),
        {"near_duplicate_rate": 0.018},
    )
    assert verdict_on(view, "near_duplicate_rate", {"near_duplicate_rate": 0.01}, 990, 0.99)[0]


def test_words_are_taken_out_after_the_text_was_judged(run_request) -> None:
    rows = [*(f"{story(n)} &ldquo;said&rdquo; &amp;c." for n in range(20)), *map(story, range(20, 40)), "too short"]
    outcome, session = run_request("a clean English corpus of at least 20 words, lowercased, stop words removed", rows)
    order = [attempt["method"] for attempt in outcome["attempts"] if attempt["kept"]]
    assert set(order[-3:]) == {"lowercase", "stop-words", "deliver"}
    assert {"html-remains", "length-bounds"} <= set(order[:-3])
    value = next(gate["value"] for gate in outcome["gates"] if gate["metric"] == "gopher_quality_fail_rate")
    assert value < 0.5
    assert any("stop words went" in event.data.get("text", "") for event in session.log.events())


@pytest.mark.parametrize(("severity", "taken"), [(Severity.SHOULD, False), (Severity.MUST, True)])
def test_rows_that_were_drawn_are_not_spent_on_a_hope(make_view, severity: Severity, taken: bool) -> None:
    gate = Gate(metric="truncated_rate", op="<=", target=0.005, severity=severity)
    view = make_view(
        Brief(request="x", size=Size(rows=300), gates=(gate,)),
        {"truncated_rate": 0.006, "rows": 300},
        served=("sample",),
        trials=lambda _name, _params: {"truncated_rate": 0.0, "sample_retention": 0.99},
    )
    assert (RulesPlanner().decide(view).method == "drop-truncated") is taken
