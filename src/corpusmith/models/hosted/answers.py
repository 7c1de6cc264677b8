"""What a model at a provider answers: many prompts at once, within bounds, each asked again while that can help.

It gives what `models.evaluation.generation` gives for a model with weights here, so that both are graded by the same
code. There is no likelihood to be had. Asking costs money, which is the caller's business to have approved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from pydantic import Field

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.chat_errors import ModelRequestError
from corpusmith.models.chat_format import Turn
from corpusmith.models.evaluation.generation import Answers
from corpusmith.models.evaluation.targets import spoken
from corpusmith.models.hosted.access import HostedAccess, open_client
from corpusmith.models.hosted.calls import Caller
from corpusmith.models.hosted.pursuit import pauser
from corpusmith.models.hosted.shapes import Said

if TYPE_CHECKING:
    from openai import OpenAI

AT_ONCE = 8


class _Message(Said):
    content: str | None = None


class _Choice(Said):
    message: _Message
    finish_reason: str | None = None


class _Usage(Said):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(Said):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def generate(
    model_id: str,
    rows: Sequence[tuple[str, Sequence[Turn]]],
    access: HostedAccess,
    *,
    max_tokens: int,
    temperature: float | None = 0.0,
    at_once: int = AT_ONCE,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
    on_usage: Callable[[int, int], None] = lambda _given, _made: None,
) -> Answers:
    """Answer prompts.

    Args:
        model_id: The provider's name of the model, `location` of a hosted manifest.
        rows: (row id, turns) that end with a question; the response of a whole conversation is left out.
        access: The provider.
        max_tokens: Most tokens of an answer.
        temperature: Of sampling; None leaves it to the model.
        at_once: Most requests under way at a time.
        emit: Takes progress lines.
        cancel: Asked between answers, and while waiting to ask again.
        on_usage: Called with the tokens (given, made) of each answer, as billed.

    Returns:
        Answers in the order of the rows; `refused` holds those that the provider would not answer, with its reason.
        `tokens` are those that the provider counted, 0 where it did not; `seconds` is the time that all took.

    Raises:
        ModelFailure: The key or the model is refused, the quota is spent, or a row failed after every attempt.
        PreconditionError: No row could be answered.
        Cancelled, BudgetExceeded: As `cancel` said.
    """
    refused: dict[str, str] = {}
    asked = {row: _question(turns) for row, (_, turns) in enumerate(rows)}
    for row in [row for row, turns in asked.items() if not turns]:
        refused[rows[row][0]] = "it has no prompt"
        del asked[row]
    texts, tokens, ended = [""] * len(rows), [0] * len(rows), [False] * len(rows)
    started, done = time.perf_counter(), 0
    pause = time.sleep if cancel is None else pauser(cancel)
    with open_client(access) as client, ThreadPoolExecutor(max(1, at_once)) as pool:
        caller = Caller(access, pause)
        limit: dict[str, Any] = {"max_completion_tokens" if access.base_url is None else "max_tokens": max_tokens}
        limit |= {} if temperature is None else {"temperature": temperature}
        waiting = {pool.submit(_answer, client, caller, model_id, asked[row], limit): row for row in asked}
        try:
            for future in as_completed(waiting):
                row, found = waiting[future], future.result()
                if isinstance(found, str):
                    refused[rows[row][0]] = found
                else:
                    choice, usage = found.choices[0], found.usage or _Usage()
                    texts[row], tokens[row] = (choice.message.content or "").strip(), usage.completion_tokens
                    ended[row] = choice.finish_reason == "stop"
                    on_usage(usage.prompt_tokens, usage.completion_tokens)
                done += 1
                if done % 50 == 0:
                    emit(f"{model_id}: {done:,} of {len(asked):,} answered")
                if cancel is not None:
                    cancel.check()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if rows and len(refused) == len(rows):
        reason = next(iter(refused.values()))
        raise PreconditionError(f"{model_id} answered none of {len(rows):,} rows: {reason}", hint="Look at the rows.")
    seconds = time.perf_counter() - started
    ids = tuple(row_id for row_id, _ in rows)
    return Answers(ids, tuple(texts), tuple(tokens), tuple(ended), refused, seconds)


def _question(turns: Sequence[Turn]) -> list[Turn]:
    said = spoken(turns)
    return said[:-1] if said and said[-1][0] == "assistant" else said


def _answer(
    client: OpenAI, caller: Caller, model_id: str, turns: Sequence[Turn], limit: dict[str, Any]
) -> _Completion | str:
    """The provider's answer, or why it gives none to this row.

    Raises:
        ModelFailure: It would give none to any row, or none now.
    """
    messages: Any = [{"role": role, "content": text} for role, text in turns]
    chat = client.chat.completions.with_raw_response

    def request() -> _Completion:
        return _Completion.model_validate_json(chat.create(model=model_id, messages=messages, **limit).content)

    try:
        return caller.ask(f"ask {model_id}", request)
    except ModelRequestError as failure:
        if failure.fields["status"] == 404:  # no such model
            raise
        return failure.message
