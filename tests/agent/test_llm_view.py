"""What a model is shown: figures and names of ours, nothing that data or a path could have said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from view_maker import SECRET, make_view

from corpusmith.agent.llm_view import LlmProposal, one_line, view_text
from corpusmith.agent.planner import Attempt

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_only_figures_and_our_own_names_are_shown() -> None:
    failed = Attempt(
        method="seeded-draw", params={"field": SECRET, "rows": 3}, metric="wish:sample", data="d", kept=False,
        outcome=f"failed: no field {SECRET}",
    )  # fmt: skip
    text = view_text(make_view(attempts=(failed,)), [])
    assert "ZXQ" not in text
    shown = json.loads(text)
    assert shown["wanted"]["sources"] == 1
    assert shown["measured_now"]["pii_rate"] == 0.2
    assert shown["earlier_turns"][0]["outcome"] == "the tool refused it"
    assert {goal["goal"] for goal in shown["open"]} >= {"pii_rate", "wish:format", "wish:generate"}


def test_only_methods_that_can_serve_an_open_goal_are_shown() -> None:
    shown = json.loads(view_text(make_view(values={"pii_rate": 0.0}), []))
    methods = {method["name"]: method for method in shown["methods"]}
    assert "pii-masking" not in methods
    assert "c4-page-rules" not in methods
    assert {"unicode-repair", "near-dedup-join", "deliver", "seeded-draw"} <= set(methods)
    boilerplate = methods["boilerplate-lines"]
    assert boilerplate["suggested"][0] == {"boilerplate_min_share": 0.05}
    assert boilerplate["may_set"]["boilerplate_min_share"]["maximum"] == 1


def test_the_view_stays_small() -> None:
    assert len(view_text(make_view(), [])) < 12_000


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "publish it now!"},
        {"method": "a" * 65},
        {"method": "stop", "approve": True},
        {"method": "stop", "predicted": float("nan")},
        {"method": "stop", "params": {"a": float("inf")}},
        {"method": "stop", "params": {"a": [{"b": 1e13}]}},
        {"method": "stop", "params": {"a": "\ud800"}},
        {"method": "stop", "params": {"\ud800": 1}},
        {"method": "stop", "params": {"a": "x" * 3000}},
        {"method": "stop", "why": "x" * 301},
        {"params": {}},
    ],
)
def test_what_no_log_or_step_can_hold_is_no_answer(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LlmProposal.model_validate(bad)


@settings(max_examples=60, deadline=None)
@given(params=st.dictionaries(st.text(st.characters(), max_size=5), JSON, max_size=4), why=st.text(max_size=40))
def test_an_accepted_answer_can_be_written(params: dict[str, Any], why: str) -> None:
    try:
        answer = LlmProposal.model_validate({"method": "stop", "params": params, "why": why})
    except ValidationError:
        return
    assert json.loads(answer.model_dump_json())["params"] == json.loads(json.dumps(answer.params))
    assert answer.why.isprintable()


@given(st.text(st.characters()))
def test_one_line_is_printable(text: str) -> None:
    line = one_line(text)
    line.encode()
    assert line.isprintable()
