"""A chat model behind a budget: asked for one typed answer at a time, whatever LangChain chat model is behind it.

Every request asks for budget before it is sent and reports its usage before its answer is used, so a loop that
misbehaves stops at the limit. Attempts are bounded and ours; the client's own are off.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, SecretStr

from corpusmith.models.chat_answers import Answer, read_answer
from corpusmith.models.chat_errors import ModelAuthError, ModelFailure, ModelRateLimited
from corpusmith.models.chat_failures import classify, mask, refuses_tools

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

M = TypeVar("M", bound=BaseModel)
Usage = Callable[[int, int, float | None], None]
Reserve = Callable[[int], None]
Mode = Literal["auto", "tools", "text"]

TOOL = "answer"
MAX_WAIT_S = 60.0


@dataclass(frozen=True)
class ChatReply(Generic[M]):
    """What a model answered: `value`, or `error` in words that can be sent back to it.

    Attributes:
        value: The answer, of the schema that was asked for.
        error: Why there is no value.
        raw_excerpt: At most 300 characters of what it wrote, keys masked; for a log only where raw text may stand.
        tokens_in: Tokens of the prompts of every request this answer took.
        tokens_out: Tokens it wrote.
        cost_usd: US dollars, None when no price is known.
        seconds: Wall time, waits included.
        model: The name the server gives itself, else the name asked for.
        estimated: Whether tokens were counted here because the server did not say.
    """

    value: M | None
    error: str | None
    raw_excerpt: str
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    seconds: float
    model: str
    estimated: bool = False

    def log_data(self, purpose: str, prompt: str | None = None, prompt_version: str | None = None) -> dict[str, Any]:
        """The data of a `model_call` event: figures and names, no text of the model."""
        data: dict[str, Any] = {
            "purpose": purpose, "model": self.model, "tokens_in": self.tokens_in, "tokens_out": self.tokens_out,
            "cost_usd": self.cost_usd, "seconds": round(self.seconds, 3), "estimated": self.estimated,
            "error": None if self.error is None else "no usable answer",
        }  # fmt: skip
        return data if prompt is None else {**data, "prompt": prompt, "prompt_version": prompt_version}


class ChatModel:
    """A chat model with a budget. Not safe for use from several threads at once.

    Args:
        name: What the person calls it, `provider:name`.
        model: The LangChain model, its own retries off.
        max_retries: Further attempts after a timeout, a 429, a 5xx or a lost connection.
        max_tokens: Most tokens of an answer, also reserved before each request.
        usd_per_million: Price of a million tokens in and out, where the server does not say what a call costs.
        on_usage: Told (tokens in, tokens out, US dollars or None) of every request, before its answer is used.
        reserve: Asked for the tokens a request may take; raises BudgetExceeded when they are not there.
        sleep: Waits between attempts.
        mode: How to ask for a typed answer; `auto` tries a tool and settles on text where tools do not work.
        secrets: Texts that no error may hold.
    """

    def __init__(
        self,
        name: str,
        model: BaseChatModel,
        *,
        max_retries: int = 2,
        max_tokens: int = 2048,
        usd_per_million: tuple[float, float] | None = None,
        on_usage: Usage | None = None,
        reserve: Reserve | None = None,
        sleep: Callable[[float], None] = time.sleep,
        mode: Mode = "auto",
        secrets: Sequence[str] = (),
    ) -> None:
        self.name, self._model = name, model
        self._max_retries, self._max_tokens, self._price = max_retries, max_tokens, usd_per_million
        self._on_usage, self._reserve, self._sleep = on_usage, reserve, sleep
        self._mode: Mode = mode
        self._secrets = [*secrets, *_secrets_of(model)]

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r})"

    def complete(self, messages: Sequence[Mapping[str, str]], schema: type[M]) -> ChatReply[M]:
        """Ask for one answer of type `schema`.

        Args:
            messages: `{"role": "system" | "user" | "assistant", "content": text}` in order.
            schema: What the answer must be; its docstring and field descriptions are shown to the model.

        Returns:
            The answer, or the reason why what the model wrote is none.

        Raises:
            BudgetExceeded: `reserve` refuses the tokens; nothing was sent.
            ModelFailure: Timeout, rate limit, server error, refused request or key, or no completion at all.
        """
        call = _Call(self, messages, schema)
        answer = None
        if self._mode != "text":
            answer = call.ask_with_tool()
        if answer is None:
            answer = call.ask_for_text()
        return call.reply(answer)


class _Call(Generic[M]):
    """One `complete`: its requests, and what they took together."""

    def __init__(self, chat: ChatModel, messages: Sequence[Mapping[str, str]], schema: type[M]) -> None:
        self.chat, self.schema = chat, schema
        self.messages = [dict(message) for message in messages]
        self.started = time.monotonic()
        self.tokens_in = self.tokens_out = 0
        self.cost: float | None = None
        self.estimated, self.text, self.model = False, "", chat.name

    def ask_with_tool(self) -> Answer[M] | None:
        """The answer by a tool call; None when tools do not work with this server, and text is to be tried."""
        chat = self.chat
        tool = {"type": "function", "function": {"name": TOOL, "description": _about(self.schema),
                                                 "parameters": _json_schema(self.schema)}}  # fmt: skip
        try:
            bound = chat._model.bind_tools([tool], tool_choice=TOOL)
        except NotImplementedError:
            chat._mode = "text"
            return None
        try:
            message = self._send(bound, self.messages, json.dumps(tool))
        except ModelFailure as failure:
            if chat._mode == "auto" and refuses_tools(failure):
                chat._mode = "text"
                return None
            raise
        answer = self._read(message)
        if getattr(message, "tool_calls", None):
            chat._mode = "tools"
        elif chat._mode == "auto" and not answer.found and _finish(message) not in {"length", "content_filter"}:
            chat._mode = "text"
            return None
        return answer

    def ask_for_text(self) -> Answer[M]:
        """The answer as a JSON object in the text, its schema told in words."""
        order = (
            f"Answer with one JSON object and nothing else. {_about(self.schema)} Its JSON schema:\n"
            f"{json.dumps(_json_schema(self.schema))}"
        )
        messages = [*self.messages]
        if messages and messages[0].get("role") == "system":
            messages[0] = {"role": "system", "content": f"{messages[0]['content']}\n\n{order}"}
        else:
            messages.insert(0, {"role": "system", "content": order})
        return self._read(self._send(self.chat._model, messages, ""))

    def reply(self, answer: Answer[M]) -> ChatReply[M]:
        return ChatReply(
            value=answer.value, error=answer.error, raw_excerpt=mask(self.text, self.chat._secrets),
            tokens_in=self.tokens_in, tokens_out=self.tokens_out, cost_usd=self.cost,
            seconds=time.monotonic() - self.started, model=self.model, estimated=self.estimated,
        )  # fmt: skip

    def _read(self, message: BaseMessage) -> Answer[M]:
        calls = list(getattr(message, "tool_calls", None) or [])
        broken = [call.get("args") for call in getattr(message, "invalid_tool_calls", None) or []]
        text = message.text
        self.text = text or json.dumps([call.get("args") for call in calls] or broken, default=str)
        answer = read_answer(calls, broken, text, self.schema)
        if answer.value is None and _finish(message) == "length":
            return Answer(None, f"the answer was cut off after {self.chat._max_tokens} tokens", answer.found)
        if answer.value is None and _finish(message) == "content_filter":
            return Answer(None, "the answer was withheld by the provider's content filter", answer.found)
        return answer

    def _send(self, model: Any, messages: list[dict[str, str]], extra: str) -> BaseMessage:
        chat = self.chat
        prompt = _estimate(extra, *(str(message.get("content", "")) for message in messages))
        for attempt in range(chat._max_retries + 1):
            if chat._reserve is not None:
                chat._reserve(prompt + chat._max_tokens)
            caught: Exception | None = None
            try:
                message: BaseMessage = model.invoke(messages)
            except Exception as error:  # noqa: BLE001 - the boundary: every vendor has its own errors
                caught = error
            if caught is None:
                self._account(message, prompt)
                return message
            failure, again = classify(caught, chat.name, chat._secrets)
            if not isinstance(failure, ModelAuthError | ModelRateLimited):
                # the request may have been read and billed although no answer came
                self._spend(prompt, 0, None, estimated=True)
            wait = 0.5 * 2**attempt
            if isinstance(failure, ModelRateLimited) and failure.retry_after is not None:
                wait = failure.retry_after
            if not again or attempt == chat._max_retries or wait > MAX_WAIT_S:
                break
            chat._sleep(wait)
        raise failure

    def _account(self, message: BaseMessage, prompt: int) -> None:
        metadata: dict[str, Any] = getattr(message, "response_metadata", None) or {}
        self.model = str(metadata.get("model_name") or metadata.get("model") or self.chat.name)
        usage: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
        given, made = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
        estimated = given is None or made is None
        if given is None or made is None:
            calls = getattr(message, "tool_calls", None) or []
            given, made = prompt, _estimate(message.text, json.dumps(calls, default=str) if calls else "")
        reported = metadata.get("token_usage")
        cost = reported.get("cost") if isinstance(reported, Mapping) else None
        self._spend(given, made, _cost(cost), estimated=estimated)

    def _spend(self, given: int, made: int, cost: float | None, *, estimated: bool) -> None:
        if cost is None and self.chat._price is not None:
            cost = (given * self.chat._price[0] + made * self.chat._price[1]) / 1e6
        self.tokens_in, self.tokens_out = self.tokens_in + given, self.tokens_out + made
        self.estimated = self.estimated or estimated
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
        if self.chat._on_usage is not None:
            self.chat._on_usage(given, made, cost)


def _secrets_of(model: BaseChatModel) -> list[str]:
    fields = (getattr(model, field, None) for field in type(model).model_fields)
    return [field.get_secret_value() for field in fields if isinstance(field, SecretStr) and field.get_secret_value()]


@lru_cache(maxsize=32)
def _json_schema(schema: type[BaseModel]) -> Mapping[str, Any]:
    return schema.model_json_schema()


def _about(schema: type[BaseModel]) -> str:
    return " ".join((schema.__doc__ or "The answer.").split())


def _finish(message: BaseMessage) -> str:
    return str((getattr(message, "response_metadata", None) or {}).get("finish_reason", ""))


def _estimate(*texts: str) -> int:
    """Tokens of texts, from above: one for every three UTF-8 bytes, and a few for the frame."""
    return math.ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / 3) + 16


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _cost(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
