"""The planner that asks a chat model, inside the same guard as every other (`agent.guard`).

The model sees statistics, enums and ids (`llm_view`), turns a few knobs (`llm_settings`) and answers with one typed
proposal. What does not fit goes back to it with typed reasons, twice a turn; then the rules decide the turn and the
log says so. A model that fails, lies or repeats itself costs its turn's calls and nothing else; a spent budget ends the
run with the best result kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from corpusmith.agent.llm_brief import BriefPatch, open_phrases, patch_text, patched
from corpusmith.agent.llm_calls import CEILING_USD_PER_MILLION, ModelCalls, Spending
from corpusmith.agent.llm_settings import complete, goal_of, too_early, untried
from corpusmith.agent.llm_view import LlmProposal, view_text
from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.planner import STOP, Proposal, View
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.core.brief import Brief, Request
from corpusmith.core.decisions import Option
from corpusmith.core.errors import BudgetExceeded
from corpusmith.models.chat import open_chat
from corpusmith.prompts.library import prompt
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog

MAX_ASKS = 3
"""Times the model is asked in one turn: once, and twice more with what was wrong."""

MAX_FAILED_TURNS = 3
"""Turns in a row in which the model could not be reached, after which it is not asked again in this run."""

MAX_TOKENS = 1500


@dataclass
class _Turn:
    """What happened so far in one turn."""

    number: int
    asks: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    last: Proposal | None = None
    failed: str = ""


class LlmPlanner:
    """Proposes by a chat model; falls back to `RulesPlanner`, turn by turn.

    Args:
        calls: The model, with budget and log.
    """

    name: Literal["llm"] = "llm"

    def __init__(self, calls: ModelCalls) -> None:
        self._calls, self._rules = calls, RulesPlanner()
        self._turn = _Turn(0)
        self._failed_turns = 0

    def understand(self, request: Request) -> Brief:
        """The rules' brief; the model is asked once about the phrases that they did not understand.

        Raises:
            RequestError: The rules understood nothing, or what cannot be.
            ModelFailure: The model's settings are wrong (see `ModelCalls.ask`).
        """
        brief = self._rules.understand(request)
        if not open_phrases(brief):
            return brief
        text = prompt("brief_patch")
        try:
            answer = self._calls.ask("understand", text, _messages(text.text, patch_text(brief)), BriefPatch)
        except BudgetExceeded as error:
            self._calls.note("model brief", f"the model was not asked about the request: {error.message}")
            return brief
        if answer.value is None:
            self._calls.note("model brief", f"the model did not help to understand the request: {answer.problem}")
            return brief
        return patched(brief, answer.value)

    def decide(self, view: View, rejected: tuple[str, ...] = ()) -> Proposal:
        """The model's next action, or the rules' when it gives none that can be used.

        Raises:
            BudgetExceeded: A call to the model, or a trial on the sample, does not fit the budget.
            ModelFailure: The model's settings are wrong (see `ModelCalls.ask`).
        """
        turn = self._begin(view)
        if rejected and turn.last is not None:
            self._refuse(turn, turn.last.method, turn.last.params, rejected)
        if turn.failed:  # the rules have this turn already, and were refused themselves
            return self._rules.decide(view, rejected)
        while turn.asks < MAX_ASKS and self._failed_turns < MAX_FAILED_TURNS:
            turn.asks += 1
            text = prompt("planner_decide")
            answer = self._calls.ask("decide", text, _messages(text.text, view_text(view, turn.refused)), LlmProposal)
            if answer.value is None and not answer.sent_back:
                self._failed_turns += 1
                return self._by_rules(turn, view, answer.problem)
            self._failed_turns = 0
            if answer.value is None:
                self._refuse(turn, "", {}, (f"bad_answer: {answer.problem}",))
                continue
            proposal, found = propose(answer.value, view)
            if not found:
                turn.last = proposal
                return proposal
            self._refuse(turn, proposal.method, proposal.params, found, note=True)
        problem = turn.refused[-1]["reasons"][-1] if turn.refused else "it failed in earlier turns and is asked no more"
        return self._by_rules(turn, view, problem)

    def _begin(self, view: View) -> _Turn:
        number = len(view.attempts) + 1
        if number != self._turn.number:
            self._turn = _Turn(number)
        return self._turn

    def _refuse(
        self, turn: _Turn, method: str, params: dict[str, Any], reasons: Sequence[str], note: bool = False
    ) -> None:
        turn.refused.append({"method": method, "params": params, "reasons": list(reasons)})
        if note or not method:
            text = f"turn {turn.number}: llm proposed {method or 'nothing usable'}; sent back: {'; '.join(reasons)}"
            self._calls.note(f"model {turn.number}.{turn.asks}", text)

    def _by_rules(self, turn: _Turn, view: View, problem: str) -> Proposal:
        turn.failed = problem
        text = f"turn {turn.number}: the model gave no usable plan ({problem}); the rules decide this turn"
        self._calls.note(f"model turn {turn.number}", text)
        proposal = self._rules.decide(view)
        return proposal.model_copy(update={"why": f"the model failed: {problem}; by the rules: {proposal.why}"})


def propose(answer: LlmProposal, view: View) -> tuple[Proposal, tuple[str, ...]]:
    """A model's answer as a proposal, and what speaks against it before the guard looks at it.

    Names that the catalogue does not hold are passed on as they are: the guard answers them.
    """
    proposal = Proposal(
        planner="llm",
        method=answer.method,
        params=dict(answer.params),
        metric=answer.metric,
        predicted=answer.predicted,
        why=answer.why,
    )
    if answer.method == STOP:
        return proposal.model_copy(update={"params": {}, "metric": None}), _unfinished(view)
    if answer.method not in CATALOGUE:
        return proposal, ()
    method = CATALOGUE[answer.method]
    metric, found = goal_of(method, answer.metric, view)
    params, refused = complete(method, answer.params, view)
    found = (*found, *refused, *too_early(method, view))
    if found:
        return proposal, found
    option = Option(method=method.name, params=params, predicted=answer.predicted, verdict="chosen by the model")
    if method.removes and method.on_sample and view.sample_rows:
        figures = view.try_on_sample(method.name, params)
        kept = 1.0 if figures is None else figures.get("sample_retention", 1.0)
        floor = view.brief.retention_floor
        if figures is None:
            option = option.model_copy(update={"verdict": "chosen by the model; cannot run on the sample"})
        elif kept < floor:
            return proposal, (f"sample: it leaves {kept:.1%} of a sample, under the floor of {floor:.0%}",)
        else:
            option = option.model_copy(update={"sample": dict(figures)})
    return proposal.model_copy(update={"params": params, "metric": metric, "options": (option,)}), ()


def _unfinished(view: View) -> tuple[str, ...]:
    """Why it is too early to stop: before delivery, must gates that were never worked on."""
    waiting = {} if "wish:format" in view.served else untried(view)
    shown = "; ".join(f"{goal} ({', '.join(names)})" for goal, names in waiting.items())
    return (f"unfinished: not tried yet: {shown}",) if waiting else ()


def _messages(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def open_llm_planner(
    name: str,
    base_url: str | None,
    budget: BudgetAccount | None,
    log: EventLog | None,
    *,
    timeout_s: float = 60.0,
    max_retries: int = 2,
    usd_per_million: tuple[float, float] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> LlmPlanner:
    """Open a planner on a chat model; nothing is sent yet.

    Args:
        name: The model, `provider:name`.
        base_url: An OpenAI-compatible server, for models of the provider openai or of none.
        budget: Accounts that every call reserves from and debits; None = no limits.
        log: Gets every call and every fallback; None outside a run.
        timeout_s: Seconds without an answer after which a request has failed.
        max_retries: Further attempts after a failure that may pass.
        usd_per_million: Price of a million tokens in and out. When unknown, a run with a money budget counts tokens at
            a ceiling (`CEILING_USD_PER_MILLION`).
        sleep: Waits between attempts.

    Raises:
        ParameterError: The name is unknown, or the provider's package is not installed.
        ModelAuthError: There is no key.
    """
    price = usd_per_million
    if price is None and budget is not None and "cost_usd" in budget.limits:
        price = CEILING_USD_PER_MILLION
        if log is not None:
            text = f"no price of {name} is known: its tokens count at {price[0]:g} and {price[1]:g} USD per million"
            log.once("note", "model price", text=text)
    spending = Spending(budget, price)
    chat = open_chat(
        name,
        base_url=base_url if name.startswith("openai:") or ":" not in name else None,
        timeout_s=timeout_s,
        max_retries=max_retries,
        max_tokens=MAX_TOKENS,
        usd_per_million=price,
        on_usage=spending.used,
        reserve=spending.reserve,
        sleep=sleep,
    )
    return LlmPlanner(ModelCalls(chat, spending, log))
