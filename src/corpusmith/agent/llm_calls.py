"""A planner's calls to its model: each reserves and debits the run's budget, stands in the decision log, and either
gives a typed answer or says why there is none. A model that fails never ends a run; a spent budget does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from corpusmith.agent.llm_view import one_line
from corpusmith.core.errors import BudgetExceeded
from corpusmith.models.chat import ChatModel, open_chat
from corpusmith.models.chat_errors import ModelAuthError, ModelFailure
from corpusmith.prompts.library import Prompt
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog

M = TypeVar("M", bound=BaseModel)

CEILING_USD_PER_MILLION = (15.0, 75.0)
"""Price in and out that is assumed under a money budget when no price is known: a limit that cannot be checked would
be no limit. What a server says that a call cost counts before it."""

MOST = 10**12


@dataclass(frozen=True)
class Answered(Generic[M]):
    """An answer, or `problem`: why there is none. `sent_back` is whether the model could do better if told so."""

    value: M | None
    problem: str = ""
    sent_back: bool = False


class Spending:
    """What a chat model tells and asks while it works: debits the accounts and counts one call's share.

    Args:
        budget: The run's accounts; None = no limits.
        price: US dollars per million tokens in and out, None when unknown.
    """

    def __init__(self, budget: BudgetAccount | None, price: tuple[float, float] | None) -> None:
        self.budget, self.price = budget, price
        self.begin()

    def begin(self) -> None:
        """Start counting a call."""
        self.tokens_in = self.tokens_out = 0
        self.cost: float | None = None

    def reserve(self, tokens: int) -> None:
        """Check that a request of at most `tokens` fits every account.

        Raises:
            BudgetExceeded: It does not.
        """
        if self.budget is None:
            return
        self.budget.reserve("tokens", tokens, "a model call")
        if self.price is not None:
            self.budget.reserve("cost_usd", tokens * max(self.price) / 1e6, "a model call")
        self.budget.reserve("minutes", 0.0 if self.budget.left("minutes") > 0 else math.ulp(0), "a model call")

    def used(self, tokens_in: int, tokens_out: int, cost_usd: float | None) -> None:
        """Debit what a request took, as the server says; what no account could hold is cut to what closes any."""
        tokens_in, tokens_out = min(tokens_in, MOST), min(tokens_out, MOST)
        cost_usd = None if cost_usd is None else min(cost_usd, float(MOST))
        self.tokens_in, self.tokens_out = self.tokens_in + tokens_in, self.tokens_out + tokens_out
        if cost_usd is not None:
            self.cost = (self.cost or 0.0) + cost_usd
        if self.budget is not None:
            self.budget.debit("tokens", tokens_in + tokens_out, "a model call")
            self.budget.debit("cost_usd", cost_usd or 0.0, "a model call")

    def took(self, seconds: float) -> None:
        """Debit wall time, as steps do."""
        if self.budget is not None:
            self.budget.debit("minutes", seconds / 60, "a model call")


class ModelCalls:
    """Asks one chat model, for one run.

    Args:
        chat: The model; `spending` is what it reports to.
        spending: The budget's side of it.
        log: The run's log; None outside a run.
    """

    def __init__(self, chat: ChatModel, spending: Spending, log: EventLog | None) -> None:
        self._chat, self._spending, self._log = chat, spending, log
        self._first = True

    def ask(self, purpose: str, prompt: Prompt, messages: Sequence[Mapping[str, str]], schema: type[M]) -> Answered[M]:
        """Ask for one typed answer.

        Args:
            purpose: Names the call in the log.
            prompt: The prompt the messages were made with.
            messages: As `ChatModel.complete` takes them.
            schema: What the answer must be.

        Raises:
            BudgetExceeded: The call does not fit the budget; nothing was sent, or nothing more.
            ModelFailure: The run's first call shows that its settings are wrong: the key is refused, or there is no
                such model or address (404). Later a failure is an `Answered` like any other.
        """
        first, self._first = self._first, False
        spent = self._spending
        spent.begin()
        started = time.monotonic()
        try:
            reply = self._chat.complete(messages, schema)
        except BudgetExceeded:
            self._failed(purpose, prompt, time.monotonic() - started, "refused by the budget")
            raise
        except ModelFailure as failure:
            self._failed(purpose, prompt, time.monotonic() - started, type(failure).__name__)
            if first and (isinstance(failure, ModelAuthError) or failure.fields.get("status") == 404):
                raise
            return Answered(None, one_line(failure.message))
        spent.took(reply.seconds)
        if self._log is not None:
            data = reply.log_data(purpose, prompt.name, str(prompt.version))
            counts = {"tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out, "cost_usd": spent.cost}
            self._log.append("model_call", **data | counts | {"model": one_line(reply.model)[:100]})
        if reply.value is None:
            return Answered(None, one_line(reply.error or "no answer"), sent_back=True)
        return Answered(reply.value)

    def note(self, key: str, text: str) -> None:
        """Write a note into the log, once per key."""
        if self._log is not None:
            self._log.once("note", key, text=text)

    def _failed(self, purpose: str, prompt: Prompt, seconds: float, error: str) -> None:
        """Debit and log a call that gave nothing."""
        spent = self._spending
        spent.took(seconds)
        if self._log is None:
            return
        data: dict[str, Any] = {
            "purpose": purpose, "model": self._chat.name, "tokens_in": spent.tokens_in,
            "tokens_out": spent.tokens_out, "cost_usd": spent.cost, "seconds": round(seconds, 3), "estimated": True,
            "error": error, "prompt": prompt.name, "prompt_version": str(prompt.version),
        }  # fmt: skip
        self._log.append("model_call", **data)


def open_judge(name: str, base_url: str | None, budget: BudgetAccount | None) -> ChatModel:
    """Open a chat model for judging answers, under the run's budget; nothing is sent yet.

    Args:
        name: The model, `provider:name`.
        base_url: An OpenAI-compatible server, for models of the provider openai or of none.
        budget: Accounts that every call reserves from and debits; None = no limits.

    Raises:
        ParameterError: The name is unknown, or the provider's package is not installed.
        ModelAuthError: There is no key.
    """
    limited = budget is not None and "cost_usd" in budget.limits
    spending = Spending(budget, CEILING_USD_PER_MILLION if limited else None)
    return open_chat(
        name,
        base_url=base_url if name.startswith("openai:") or ":" not in name else None,
        usd_per_million=spending.price,
        on_usage=spending.used,
        reserve=spending.reserve,
    )
