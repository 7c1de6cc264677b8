"""The rules planner: paths follow from what is measured, trials choose settings, blunt rules are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from corpusmith.agent.planner import STOP, Attempt
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Severity

DONE = ("format",)


def brief(*gates: tuple[str, str, float], should: bool = False, **more: Any) -> Brief:
    severity = Severity.SHOULD if should else Severity.MUST
    return Brief(
        request="x", gates=tuple(Gate(metric=m, op=op, target=t, severity=severity) for m, op, t in gates), **more
    )


def test_it_stops_when_every_gate_holds_and_every_wish_is_served(make_view) -> None:
    assert (
        RulesPlanner().decide(make_view(brief(("pii_rate", "<=", 0.0)), {"pii_rate": 0.0}, served=DONE)).method == STOP
    )


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ({"encoding_damage_rate": 0.3, "language_rate": 0.5, "near_duplicate_rate": 0.1}, "unicode-repair"),
        ({"encoding_damage_rate": 0.0, "language_rate": 0.5, "near_duplicate_rate": 0.1}, "language-id"),
        ({"encoding_damage_rate": 0.0, "language_rate": 1.0, "near_duplicate_rate": 0.1}, "near-dedup-join"),
        ({"encoding_damage_rate": 0.0, "language_rate": 1.0, "near_duplicate_rate": 0.0}, "deliver"),
    ],
)
def test_the_path_follows_the_measurements(make_view, values: dict[str, float], first: str) -> None:
    asked = brief(
        ("encoding_damage_rate", "<=", 0.0),
        ("language_rate", ">=", 0.98),
        ("near_duplicate_rate", "<=", 0.01),
        languages=("en",),
    )
    view = make_view(asked, values, trials=lambda _n, _p: {"language_rate": 1.0, "sample_retention": 0.6})
    proposal = RulesPlanner().decide(view)
    assert proposal.method == first
    assert proposal.why


def test_rows_cut_off_leave_before_rules_on_length_are_tried(make_view) -> None:
    """They are short: a rule on length would look blunt and be left out, and the short ones would stay."""
    asked = brief(("truncated_rate", "<=", 0.005), ("gopher_quality_fail_rate", "<=", 0.05), should=True)
    values = {"truncated_rate": 0.04, "gopher_quality_fail_rate": 0.099}
    trial = {"truncated_rate": 0.0, "gopher_quality_fail_rate": 0.0, "sample_retention": 0.95}
    proposal = RulesPlanner().decide(make_view(asked, values, trials=lambda _n, _p: trial))
    assert proposal.method == "drop-truncated"
    done = make_view(asked, {**values, "truncated_rate": 0.0}, trials=lambda _n, _p: trial)
    assert RulesPlanner().decide(done).method == "gopher-quality"


def test_of_settings_that_reach_the_gate_the_one_that_removes_least_is_chosen(make_view) -> None:
    def trial(_name: str, params: Mapping[str, Any]) -> dict[str, float]:
        strict = "thresholds" not in params
        return {"gopher_repetition_fail_rate": 0.0 if strict else 0.01, "sample_retention": 0.7 if strict else 0.9}

    asked = brief(("gopher_repetition_fail_rate", "<=", 0.01))
    proposal = RulesPlanner().decide(make_view(asked, {"gopher_repetition_fail_rate": 0.4}, trials=trial))
    assert proposal.params["thresholds"]["dup_line_char_frac"] == 0.3
    assert proposal.predicted == 0.01
    assert len([o for o in proposal.options if o.method == "gopher-repetition"]) == 2


def test_a_published_rule_that_takes_a_quarter_of_the_rows_is_left_out(make_view) -> None:
    def trial(_name: str, params: Mapping[str, Any]) -> dict[str, float]:
        if params.get("thresholds", {}).get("gopher_quality.alpha_word_frac", 0.8) is None:
            return {
                "gopher_quality_fail_rate": 0.25,
                "sample_retention": 0.96,
                "dropped:gopher_quality.min_words": 0.04,
            }
        return {
            "gopher_quality_fail_rate": 0.0,
            "sample_retention": 0.7,
            "dropped:gopher_quality.alpha_word_frac": 0.26,
        }

    gate = brief(("gopher_quality_fail_rate", "<=", 0.05), should=True)
    proposal = RulesPlanner().decide(make_view(gate, {"gopher_quality_fail_rate": 0.3}, trials=trial))
    assert proposal.params["thresholds"] == {"gopher_quality.alpha_word_frac": None}
    assert any("under the floor" in option.verdict for option in proposal.options)


def test_a_sample_with_more_bad_rows_than_there_are_is_held_against_the_count(make_view) -> None:
    """12 % of the sample would go, over the cap of a hope, and 6 % by one rule; the profile counted 7 % in all."""
    trial = {
        "gopher_quality_fail_rate": 0.0,
        "sample_retention": 0.88,
        "dropped:gopher_quality.stop_words": 0.06,
        "dropped:gopher_quality.min_words": 0.06,
    }
    gate = brief(("gopher_quality_fail_rate", "<=", 0.05), should=True)
    view = make_view(gate, {"gopher_quality_fail_rate": 0.07}, trials=lambda _n, _p: trial)
    proposal = RulesPlanner().decide(view)
    assert (proposal.method, proposal.params) == ("gopher-quality", {"gopher_quality": True})


def test_what_was_rolled_back_is_not_tried_again_and_the_rest_goes_on(make_view) -> None:
    asked = brief(("html_rate", "<=", 0.0))
    failed = Attempt(
        method="html-remains",
        params={"html": True, "whitespace": True},
        metric="html_rate",
        data="d" * 32,
        kept=False,
        outcome="no nearer",
    )
    proposal = RulesPlanner().decide(make_view(asked, {"html_rate": 0.1}, attempts=(failed,)))
    assert proposal.method == "deliver"


def test_it_cannot_be_talked_round(make_view) -> None:
    view = make_view(brief(("html_rate", "<=", 0.0)), {"html_rate": 0.1})
    assert RulesPlanner().decide(view, ("bad_arguments: x",)).method == STOP
    assert RulesPlanner().decide(view) == RulesPlanner().decide(view)
