"""A chat model as judge of answers: accuracy and style from 1 to 3, each with a reason, after Zheng et al. 2023.

Each row takes two calls, the two answers in either order. The judge is asked through `models.chat`, so any
OpenAI-compatible endpoint will do, under the budget of that model. A verdict that cannot be read is asked for once
more, then the row counts as not judged; it is never an error and never a grade of 0. Grades become metrics in
`ops.grading.judged`.

What the judge reads is quarantined: the texts travel as JSON strings in the user's message, the judge has no tool but
the form of its verdict, all that is taken from it are four small integers and four short reasons, and a verdict counts
only with the code of its call, which no text that is judged can know: one that an answer holds, and the judge quotes,
is not taken for the judge's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.judgements import Grade, JudgedRow, JudgeItem, JudgeRun
from corpusmith.models.chat_errors import ModelAuthError, ModelFailure
from corpusmith.models.chat_model import ChatModel, ChatReply
from corpusmith.prompts.library import Prompt, prompt

PROMPT = "judge_pair"
ATTEMPTS = 2
GIVE_UP_AFTER = 3
"""Rows in a row for which the server gave nothing, after which the rest is not asked about."""
MOST_CHARS = 8_000
"""Longest text shown to the judge; a longer one loses its middle."""
REASON_CHARS = 300

OnReply = Callable[[ChatReply[Any], Prompt], None]
Level = Annotated[int, Field(strict=True, ge=1, le=3)]


class AnswerVerdict(BaseModel):
    """The grades of one answer."""

    model_config = ConfigDict(extra="forbid")
    accuracy_reason: str = Field(description="one sentence")
    accuracy: Level
    style_reason: str = Field(description="one sentence")
    style: Level

    def grade(self) -> Grade:
        """The verdict as a record, its reasons short."""
        return Grade(
            accuracy=self.accuracy,
            accuracy_reason=_short(self.accuracy_reason),
            style=self.style,
            style_reason=_short(self.style_reason),
        )


class PairVerdict(BaseModel):
    """The grades of the first and of the second answer."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(description="the code at the end of the system's message")
    first: AnswerVerdict
    second: AnswerVerdict


class _NotJudged(Exception):  # noqa: N818 - a state of a row, caught here
    """No usable verdict came back; the message says why."""


class Judge:
    """Judges rows one after the other.

    Args:
        chat: The model that judges.
        on_reply: Told of every reply, before its verdict is used; for the log.
    """

    def __init__(self, chat: ChatModel, *, on_reply: OnReply | None = None) -> None:
        self._chat, self._on_reply = chat, on_reply
        self._prompt = prompt(PROMPT)
        self._replies: list[ChatReply[PairVerdict]] = []

    def judge(self, items: Iterable[JudgeItem]) -> JudgeRun:
        """Judge every item, in order.

        Raises:
            BudgetExceeded: The budget of the chat model is spent.
            Cancelled: The run was stopped.
        """
        self._replies = []
        rows: list[JudgedRow] = []
        shortened = failed = 0
        stopped = ""
        for item in items:
            if stopped:
                rows.append(JudgedRow(problem=f"not asked: {stopped}"))
                continue
            shown, cut = _fitted(item)
            shortened += cut
            try:
                rows.append(self._row(shown))
            except _NotJudged as problem:
                rows.append(JudgedRow(problem=str(problem)))
            except ModelFailure as failure:
                rows.append(JudgedRow(problem=failure.message))
                failed += 1
                if isinstance(failure, ModelAuthError) or failed >= GIVE_UP_AFTER:
                    stopped = failure.message
                continue
            failed = 0
        return self._run(rows, shortened, stopped)

    def _row(self, item: JudgeItem) -> JudgedRow:
        straight = self._verdict(item, item.answer, item.other)
        swapped = self._verdict(item, item.other, item.answer)
        return JudgedRow(
            answer=(straight.first.grade(), swapped.second.grade()),
            other=(swapped.first.grade(), straight.second.grade()),
        )

    def _verdict(self, item: JudgeItem, first: str, second: str) -> PairVerdict:
        shown: dict[str, Any] = {"task": item.task, "reference": item.reference, "first": first, "second": second}
        code = hashlib.blake2b(json.dumps(shown).encode(), digest_size=4).hexdigest()
        order = f"{self._prompt.text}\n\nThe code of this verdict: {code}"
        error = ""
        for _ in range(ATTEMPTS):
            content = {**shown, "refused": error} if error else shown
            asked = json.dumps(content, ensure_ascii=False)
            reply = self._chat.complete(
                [{"role": "system", "content": order}, {"role": "user", "content": asked}], PairVerdict
            )
            self._replies.append(reply)
            if self._on_reply is not None:
                self._on_reply(reply, self._prompt)
            if reply.value is not None and reply.value.code == code:
                return reply.value
            error = reply.error or "the verdict does not carry its code"
        raise _NotJudged(error)

    def _run(self, rows: list[JudgedRow], shortened: int, stopped: str) -> JudgeRun:
        costs = [reply.cost_usd for reply in self._replies if reply.cost_usd is not None]
        return JudgeRun(
            rows=tuple(rows),
            model=self._replies[-1].model if self._replies else self._chat.name,
            prompt=self._prompt.label,
            calls=len(self._replies),
            tokens_in=sum(reply.tokens_in for reply in self._replies),
            tokens_out=sum(reply.tokens_out for reply in self._replies),
            cost_usd=sum(costs) if costs else None,
            shortened=shortened,
            stopped=stopped,
        )


def _fitted(item: JudgeItem) -> tuple[JudgeItem, bool]:
    """The item with texts that fit, and whether one was cut."""
    given = item.model_dump()
    fitted = {name: None if text is None else _cut(text) for name, text in given.items()}
    return JudgeItem(**fitted), fitted != given


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    half = MOST_CHARS // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def _short(reason: str) -> str:
    plain = " ".join(reason.split())
    return plain if len(plain) <= REASON_CHARS else plain[:REASON_CHARS] + "…"
