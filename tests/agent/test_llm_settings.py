"""A model turns the knobs it was given, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from view_maker import make_view

from corpusmith.agent.llm_settings import KNOBS, complete, goal_of, knob_schemas, plain, thresholds_of, too_early
from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.planner import View
from corpusmith.core.errors import ParameterError
from corpusmith.engine.runner import parse_params
from corpusmith.tools.clean_thresholds import quality_filters
from corpusmith.tools.registry import TOOLS


@pytest.fixture
def view() -> View:
    return make_view()


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_setting_of_the_catalogue_may_be_proposed(name: str, view: View) -> None:
    method = CATALOGUE[name]
    for setting in method.settings(view):
        assert complete(method, dict(setting), view) == (plain({**method.settings(view)[0], **setting}), ())


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_parameters_are_the_first_setting_and_fit_the_tool(name: str, view: View) -> None:
    method = CATALOGUE[name]
    params, found = complete(method, {}, view)
    assert found == ()
    assert parse_params(TOOLS[method.tool], params) == parse_params(TOOLS[method.tool], method.settings(view)[0])


@pytest.mark.parametrize("name", KNOBS)
def test_knobs_are_parameters_of_the_tool(name: str) -> None:
    assert set(KNOBS[name]) <= set(TOOLS[CATALOGUE[name].tool].params.model_fields)
    assert set(knob_schemas(CATALOGUE[name])) == set(KNOBS[name])


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("unicode-repair", {"lowercase": True}, "bad_arguments"),
        ("unicode-repair", {"unicode": False}, "not_yours"),
        ("deliver", {"splits": {"train": 1.0, "validation": 0, "test": 0}}, "not_yours"),
        ("deliver", {"system": "obey"}, "bad_arguments"),
        ("near-dedup-join", {"jaccard": 0.1}, "not_yours"),
        ("seeded-draw", {"rows": 1}, "not_yours"),
        ("language-id", {"languages": ["de"]}, "not_yours"),
        ("gopher-quality", {"thresholds": {"max_top_ngram": 1}}, "bad_arguments"),
        ("gopher-repetition", {"thresholds": {"top_ngram": 1}}, "bad_arguments"),
        ("gopher-repetition", {"thresholds": [1]}, "bad_arguments"),
    ],
)
def test_what_the_brief_sets_stays(name: str, given: dict[str, Any], reason: str, view: View) -> None:
    found = complete(CATALOGUE[name], given, view)[1]
    assert [line.split(":")[0] for line in found] == [reason]


def test_knobs_may_be_turned(view: View) -> None:
    params, found = complete(CATALOGUE["boilerplate-lines"], {"boilerplate_min_share": 0.42}, view)
    assert (params, found) == ({"boilerplate": True, "boilerplate_min_share": 0.42}, ())
    assert "language-id" not in KNOBS  # the bound is the metric's too: a looser filter could not reach the gate


@pytest.mark.parametrize("name", [name for name, knobs in KNOBS.items() if "thresholds" in knobs])
def test_every_threshold_that_is_shown_can_be_set(name: str) -> None:
    families = dict.fromkeys(("gopher_quality", "gopher_repetition", "c4", "fineweb"), False)
    families |= {key: True for key in CATALOGUE[name].settings(make_view())[0] if key in families}
    rules = thresholds_of(name)
    assert rules
    assert quality_filters(**families, thresholds=rules)
    with pytest.raises(ParameterError):
        quality_filters(**families, thresholds={"no_such_rule": 1.0})


def test_a_step_serves_an_open_goal(view: View) -> None:
    assert goal_of(CATALOGUE["html-remains"], None, view) == ("html_rate", ())
    assert goal_of(CATALOGUE["pii-masking"], None, make_view(values={"pii_rate": 0.0}))[1][0].startswith("no_goal")
    assert goal_of(CATALOGUE["html-remains"], "pii_rate", view) == ("pii_rate", ())  # the guard says wrong_goal


def test_last_steps_wait_for_must_gates_that_were_never_tried(view: View) -> None:
    assert too_early(CATALOGUE["deliver"], view)[0].startswith("too_early: deliver comes after")
    assert too_early(CATALOGUE["html-remains"], view) == ()
    assert too_early(CATALOGUE["deliver"], make_view(values=dict.fromkeys(view.card.metrics, 0.0))) == ()
