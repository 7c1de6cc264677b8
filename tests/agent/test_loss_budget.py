"""Rows are a budget: must gates are reserved for first, hopes get what is over, a conflict is named with figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from test_graph import ROWS, decisions, varied

from corpusmith.agent.guard import objections
from corpusmith.agent.loss_budget import plan_losses
from corpusmith.agent.planner import Proposal
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Severity
from corpusmith.tools.registry import TOOLS

SHOULD = Severity.SHOULD
KEEP = Gate(metric="retention", op=">=", target=0.8)
EMPTY = Gate(metric="empty_rate", op="<=", target=0.0)
NEAR = Gate(metric="near_duplicate_rate", op="<=", target=0.01)
EXACT = Gate(metric="exact_duplicate_rate", op="<=", target=0.0)
ENGLISH = Gate(metric="language_rate", op=">=", target=0.98)
WHOLE = Gate(metric="truncated_rate", op="<=", target=0.005, severity=SHOULD)
REPEATS = Gate(metric="gopher_repetition_fail_rate", op="<=", target=0.01, severity=SHOULD)


def brief(*gates: Gate, **more: Any) -> Brief:
    return Brief(request="x", gates=gates, languages=("en",), **more)


def trials(**kept: float) -> Any:
    """A filter's gate holds on the sample, and it keeps the share given by the name of its parameter."""

    def trial(_name: str, params: Mapping[str, Any]) -> dict[str, float]:
        losses = [1 - kept[name] for name in kept if params.get(name)]
        return {
            "language_rate": 1.0,
            "truncated_rate": 0.0,
            "gopher_repetition_fail_rate": 0.0,
            "sample_retention": 1 - sum(losses),
        }

    return trial


def test_without_a_must_gate_on_retention_there_is_no_budget(make_view) -> None:
    hoped = KEEP.model_copy(update={"severity": SHOULD})
    assert plan_losses(make_view(brief(EMPTY), {"empty_rate": 0.5, "retention": 1.0})) is None
    assert plan_losses(make_view(brief(hoped, EMPTY), {"empty_rate": 0.5, "retention": 1.0})) is None
    drawn = make_view(brief(KEEP, EMPTY), {"empty_rate": 0.5, "retention": 1.0}, served=("sample",))
    assert plan_losses(drawn) is None


def test_a_hope_gets_what_the_must_gates_leave(make_view) -> None:
    asked = brief(KEEP, NEAR, WHOLE)
    found = {"near_duplicate_rate": 0.15, "truncated_rate": 0.08, "retention": 1.0}
    view = make_view(asked, found, trials=trials(drop_truncated=0.92))
    proposal = RulesPlanner().decide(view)
    assert proposal.method == "near-dedup-join"
    refused = next(option for option in proposal.options if option.method == "drop-truncated")
    assert "takes 8.0% of the rows" in refused.verdict
    assert "keeps near_duplicate_rate 15.0%" in refused.verdict
    assert proposal.conflict == ""


def test_a_hope_that_fits_comes_where_it_belongs(make_view) -> None:
    asked = brief(KEEP, NEAR, WHOLE)
    found = {"near_duplicate_rate": 0.05, "truncated_rate": 0.08, "retention": 1.0}
    assert RulesPlanner().decide(make_view(asked, found, trials=trials(drop_truncated=0.92))).method == "drop-truncated"


def test_a_hope_waits_for_masking_which_may_make_copies(make_view) -> None:
    private = Gate(metric="pii_rate", op="<=", target=0.0)
    found = {"pii_rate": 0.2, "near_duplicate_rate": 0.0, "truncated_rate": 0.9, "retention": 1.0}
    view = make_view(brief(KEEP, NEAR, WHOLE, private), found, trials=trials(drop_truncated=0.92))
    proposal = RulesPlanner().decide(view)
    assert proposal.method == "pii-masking"
    refused = next(option for option in proposal.options if option.method == "drop-truncated")
    assert "waits for pii_rate" in refused.verdict


def test_of_two_hopes_the_one_that_closes_more_per_row_goes_first(make_view) -> None:
    asked = brief(KEEP, WHOLE, REPEATS)
    found = {"truncated_rate": 0.3, "gopher_repetition_fail_rate": 0.09, "retention": 0.86}
    view = make_view(asked, found, trials=trials(drop_truncated=0.95, gopher_repetition=0.95))
    budget = plan_losses(view)
    assert budget is not None
    assert budget.spare == pytest.approx(0.0698, abs=1e-4)
    shares = {need.goal.name: share for need, share in budget.shoulds}
    assert list(shares) == ["truncated_rate", "gopher_repetition_fail_rate"]
    assert shares["gopher_repetition_fail_rate"] == pytest.approx(0.0198, abs=1e-4)


def test_copies_are_counted_once(make_view) -> None:
    found = {"near_duplicate_rate": 0.15, "exact_duplicate_rate": 0.12, "retention": 1.0}
    budget = plan_losses(make_view(brief(KEEP, NEAR, EXACT), found))
    assert budget is not None
    assert budget.given_up == ()
    assert budget.conflict == ""


def test_filters_that_take_the_same_rows_are_measured_together(make_view) -> None:
    short = Gate(metric="short_rate", op="<=", target=0.0)
    asked = brief(KEEP, short, ENGLISH, length=({"unit": "words", "low": 5},))
    found = {"short_rate": 0.15, "language_rate": 0.85, "retention": 1.0}

    def trial(_name: str, params: Mapping[str, Any]) -> dict[str, float]:
        both = bool(params.get("languages") and params.get("lengths"))
        return {"language_rate": 1.0, "short_rate": 0.0, "sample_retention": 0.82 if both else 0.85}

    budget = plan_losses(make_view(asked, found, trials=trial))
    assert budget is not None
    assert {need.goal.name for need in budget.musts} == {"short_rate", "language_rate"}
    assert budget.conflict == ""


def test_what_cannot_all_hold_is_said_with_figures_and_most_gates_are_held(make_view) -> None:
    asked = brief(KEEP, EMPTY, NEAR, ENGLISH)
    found = {"empty_rate": 0.06, "near_duplicate_rate": 0.07, "language_rate": 0.8, "retention": 1.0}
    view = make_view(asked, found, trials=trials(languages=0.8))
    budget = plan_losses(view)
    assert budget is not None
    assert {need.goal.name for need in budget.musts} == {"empty_rate", "near_duplicate_rate"}
    assert [need.goal.name for need in budget.given_up] == ["language_rate"]
    proposal = RulesPlanner().decide(view)
    assert proposal.method == "drop-empty"
    for words in ("retention >= 0.8", "empty_rate 6.0%", "near_duplicate_rate 7.0%", "language_rate about 20.0%"):
        assert words in proposal.conflict
    assert proposal.conflict in proposal.why


def test_of_choices_with_as_many_gates_the_one_that_leaves_least_distance_is_held(make_view) -> None:
    found = {"empty_rate": 0.12, "near_duplicate_rate": 0.18, "retention": 1.0}
    budget = plan_losses(make_view(brief(KEEP, EMPTY, NEAR), found))
    assert budget is not None
    assert [need.goal.name for need in budget.musts] == ["near_duplicate_rate"]


@pytest.mark.parametrize(("near", "refused"), [(0.15, True), (0.05, False)])
def test_the_guard_holds_any_planner_to_it(make_view, near: float, refused: bool) -> None:
    found = {"near_duplicate_rate": near, "truncated_rate": 0.08, "retention": 1.0}
    view = make_view(brief(KEEP, NEAR, WHOLE), found, trials=trials(drop_truncated=0.92))
    step = Proposal(
        planner="llm", method="drop-truncated", params={"drop_truncated": True}, metric="truncated_rate", why="cut off"
    )
    assert [line.split(":")[0] for line in objections(step, view, TOOLS)] == ["reserved"] * refused


FOREIGN = "Der Stadtrat hat gestern beschlossen, dass die Brücke {0} für {1} Tage und {2} Nächte gesperrt bleibt."
CUT = [text[:-28] for text in map(varied, range(75, 82))]


def test_a_run_that_greed_would_fail_succeeds(run_request) -> None:
    """Of 81 rows 16 may go: 2 empty ones and 12 copies must, 7 cut off ones should, whose turn would come first."""
    asked = {"gates": (KEEP, EMPTY, NEAR, WHOLE)}
    outcome, session = run_request("A corpus", [*ROWS, *CUT, *ROWS[:12], "", ""], brief=asked)
    assert outcome["status"] == 0, outcome["not_achieved"]
    gates = {g["metric"]: g for g in outcome["gates"]}
    assert gates["retention"]["value"] == pytest.approx(67 / 81)
    assert gates["near_duplicate_rate"]["value"] == gates["empty_rate"]["value"] == 0
    assert not any(line.startswith("must") for line in outcome["not_achieved"])
    refused = next(o for d in decisions(session) for o in d["options"] if o["method"] == "drop-truncated")
    assert "keeps near_duplicate_rate 15.2%" in refused["verdict"]


def test_a_run_that_cannot_hold_everything_says_which_gates_conflict(run_request) -> None:
    asked = {"gates": (KEEP, EMPTY, NEAR, ENGLISH), "languages": ("en",)}
    foreign = [FOREIGN.format(n, n * 7 % 31, n * 5 % 17) for n in range(20)]
    outcome, session = run_request("A corpus", [*ROWS, *ROWS[:8], *foreign, "", ""], brief=asked)
    assert outcome["status"] == 3
    failed = [g["metric"] for g in outcome["gates"] if g["severity"] == "must" and not g["passed"]]
    assert failed == ["language_rate"]
    said = outcome["not_achieved"][0]
    assert said.startswith("must gates in conflict: retention >= 0.8 lets 20.0% of the rows go")
    for words in ("empty_rate 2.2%", "near_duplicate_rate 8.9%", "language_rate 22.2%"):
        assert words in said
    events = session.log.events()
    noted = next(e.seq for e in events if e.kind == "note" and e.data["text"] == said)
    assert noted < min(e.seq for e in events if e.kind == "measured")
    assert all(e.data["kept"] for e in events if e.kind == "measured")
