"""The llm planner alone: what it asks, how it takes answers, and what it does when there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Step
from view_maker import make_view

from corpusmith.agent.llm_planner import LlmPlanner, open_llm_planner
from corpusmith.core.brief import Request
from corpusmith.core.errors import BudgetExceeded, ParameterError
from corpusmith.models.chat_errors import ModelAuthError
from corpusmith.prompts.library import prompt
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog
from corpusmith.store.workspace import Workspace

REPAIR = {"method": "html-remains", "params": {}, "metric": "html_rate", "predicted": 0.0, "why": "it is 0.2"}
FILTER = {"method": "gopher-quality", "params": {}, "metric": "gopher_quality_fail_rate", "predicted": 0.0}
UNCLEAR = Request(text="Clean and deduplicate ./articles; keep the house style gamma", sources=("a.jsonl",))


class Bench:
    """A planner on a scripted server, with a real budget and log."""

    def __init__(self, folder: Path, script: tuple[Step, ...], limits: dict[str, float], given: dict[str, Any]) -> None:
        self.server = OpenAIServer(*script)
        self.workspace = Workspace.open(folder / "ws")
        self.budget = BudgetAccount(self.workspace.database, "r", limits)
        self.log = EventLog(folder / "run", "r")
        self.planner: LlmPlanner = open_llm_planner(
            "openai:test", self.server.url, self.budget, self.log, timeout_s=5.0, sleep=lambda _s: None, **given
        )

    def shown(self, request: int = -1) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.server.requests[request]["messages"][1]["content"])
        return shown

    def data(self, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.log.events() if event.kind == kind]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    made: list[Bench] = []

    def start(*script: Step, limits: dict[str, float] | None = None, **given: Any) -> Bench:
        made.append(Bench(tmp_path, script, limits or {}, given))
        return made[-1]

    yield start
    for item in made:
        item.server.stop()
        item.workspace.close()


def test_a_plan_becomes_a_proposal(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool={**REPAIR, "metric": None}))
    proposal = b.planner.decide(make_view())
    assert (proposal.planner, proposal.method, proposal.metric) == ("llm", "html-remains", "html_rate")
    assert proposal.params == {"html": True, "whitespace": True}
    assert proposal.predicted == 0.0
    system, user = b.server.requests[0]["messages"]
    assert (system["role"], system["content"], user["role"]) == ("system", prompt("planner_decide").text, "user")
    assert b.shown()["refused"] == []


def test_every_call_stands_in_the_log_and_debits_the_budget(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=REPAIR), limits={"tokens": 50_000, "cost_usd": 1.0}, usd_per_million=(10.0, 100.0))
    b.planner.decide(make_view())
    (call,) = b.data("model_call")
    assert {key: call[key] for key in ("purpose", "tokens_in", "tokens_out", "prompt", "prompt_version")} == {
        "purpose": "decide", "tokens_in": 50, "tokens_out": 10, "prompt": "planner_decide", "prompt_version": "1",
    }  # fmt: skip
    assert b.budget.spent("tokens") == 60
    assert b.budget.spent("cost_usd") == pytest.approx(1.5e-3)
    assert b.budget.spent("minutes") > 0


def test_a_server_that_lies_about_itself_closes_the_budget_and_breaks_nothing(bench: Callable[..., Bench]) -> None:
    usage = {"prompt_tokens": 10**18, "completion_tokens": 10**18, "total_tokens": 1, "cost": 1e300}
    step = Step(tool=REPAIR, usage=usage)
    body = step.render().replace(b'"scripted-1"', b'"\\ud800\\u001b[2J"')
    b = bench(Step(body=body), limits={"tokens": 10_000.0})
    assert b.planner.decide(make_view()).method == "html-remains"
    assert b.data("model_call")[0]["model"] == "[2J"
    with pytest.raises(BudgetExceeded):
        b.planner.decide(make_view(), ("repeated: so",))


@pytest.mark.parametrize("limits", [{"tokens": 1000.0}, {"cost_usd": 0.001}, {"minutes": 0.0}])
def test_a_spent_budget_is_raised_before_anything_is_sent(
    bench: Callable[..., Bench], limits: dict[str, float]
) -> None:
    b = bench(Step(tool=REPAIR), limits=limits)
    with pytest.raises(BudgetExceeded):
        b.planner.decide(make_view())
    assert b.server.requests == []
    assert b.data("model_call")[0]["error"] == "refused by the budget"


def test_the_guards_reasons_go_back_with_the_proposal(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=REPAIR), Step(tool={**REPAIR, "method": "pii-masking", "metric": "pii_rate"}))
    view = make_view()
    b.planner.decide(view)
    assert b.planner.decide(view, ("repeated: it was tried",)).method == "pii-masking"
    (refused,) = b.shown()["refused"]
    assert (refused["method"], refused["reasons"]) == ("html-remains", ["repeated: it was tried"])


def test_the_model_is_asked_three_times_a_turn_at_most(bench: Callable[..., Bench]) -> None:
    b = bench(*[Step(tool={"nonsense": n}) for n in range(9)])
    view = make_view()
    proposal = b.planner.decide(view)
    assert proposal.planner == "rules"
    assert proposal.why.startswith("the model failed: bad_answer: ")
    assert len(b.server.requests) == 3
    assert b.planner.decide(view, ("repeated: so",)).method == "stop"  # the rules' own proposal was refused
    assert len(b.server.requests) == 3
    assert sum("the rules decide this turn" in note["text"] for note in b.data("note")) == 1


def test_a_filter_shows_what_it_does_to_a_sample(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=FILTER))
    (option,) = b.planner.decide(make_view(tried={"sample_retention": 0.9, "html_rate": 0.1})).options
    assert option.sample == {"sample_retention": 0.9, "html_rate": 0.1}


def test_a_filter_that_empties_the_sample_is_sent_back(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=FILTER), Step(tool=REPAIR))
    assert b.planner.decide(make_view(tried={"sample_retention": 0.01})).method == "html-remains"
    assert b.shown()["refused"][0]["reasons"] == ["sample: it leaves 1.0% of a sample, under the floor of 5%"]


def test_a_request_that_the_rules_understand_takes_no_model(bench: Callable[..., Bench]) -> None:
    b = bench()
    brief = b.planner.understand(Request(text="Clean and deduplicate ./articles"))
    assert brief.not_understood == ()
    assert b.server.requests == []


def test_the_model_is_asked_once_for_what_the_rules_did_not_understand(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool={"resolved": [], "remove_pii": True}))
    rules = b.planner._rules.understand(UNCLEAR)
    assert rules.not_understood
    assert b.planner.understand(UNCLEAR) == rules
    assert b.shown()["phrases"] == list(rules.not_understood)
    patched = bench(Step(tool={"resolved": list(rules.not_understood), "remove_pii": True})).planner.understand(UNCLEAR)
    assert (patched.remove_pii, patched.not_understood) == (True, ())


@pytest.mark.parametrize("step", [Step(status=500), Step(status=400), Step(tool={"budgets": 1}), Step(body=b"{}")])
def test_a_model_that_fails_leaves_the_rules_brief(bench: Callable[..., Bench], step: Step) -> None:
    b = bench(step, step, step)
    assert b.planner.understand(UNCLEAR) == b.planner._rules.understand(UNCLEAR)
    assert "did not help to understand the request" in b.data("note")[0]["text"]


def test_a_spent_budget_leaves_the_rules_brief(bench: Callable[..., Bench]) -> None:
    b = bench(limits={"tokens": 10.0})
    assert b.planner.understand(UNCLEAR) == b.planner._rules.understand(UNCLEAR)
    assert "was not asked" in b.data("note")[0]["text"]


def test_a_wrong_key_is_said_before_anything_is_done(bench: Callable[..., Bench]) -> None:
    with pytest.raises(ModelAuthError):
        bench(Step(status=401)).planner.understand(UNCLEAR)


def test_an_address_for_openai_is_not_given_to_other_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("corpusmith.agent.llm_planner.open_chat", lambda name, **given: asked.update({name: given}))
    for name in ("anthropic:claude", "openai:gpt", "local-model"):
        open_llm_planner(name, "http://127.0.0.1:1/v1", None, None)
    assert [bool(given["base_url"]) for given in asked.values()] == [False, True, True]


def test_a_model_of_no_name_is_refused() -> None:
    with pytest.raises(ParameterError):
        open_llm_planner("", None, None, None)
