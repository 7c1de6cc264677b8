"""The answers of one request as they are made: several at a time, one deadline, all closed when the request is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.api.shapes import Drawing
from corpusmith.models.serving.api.visit import Visit, stop_texts
from corpusmith.models.serving.contract import Finish, Piece, Refused, Sampling, Token

Pieces = AsyncGenerator[Piece, None]
Parts = AsyncGenerator[tuple[int, Piece], None]


@dataclass
class Answer:
    """One whole answer."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish: Finish | None = None


def sampling_of(
    asked: Drawing, max_tokens: int, top_logprobs: int | None, index: int = 0, json_only: bool = False
) -> Sampling:
    """How answer `index` of a request is drawn; each of several has a seed of its own."""
    return Sampling(
        max_tokens=max_tokens,
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        stop=stop_texts(asked.stop),
        seed=None if asked.seed is None else asked.seed + index,
        presence_penalty=asked.presence_penalty or 0.0,
        frequency_penalty=asked.frequency_penalty or 0.0,
        logit_bias={int(token): bias for token, bias in (asked.logit_bias or {}).items()},
        top_logprobs=top_logprobs,
        json_only=json_only,
    )


def room_for(context: int, prompt: int, wanted: int | None, least: int = 1) -> int:
    """Tokens that an answer may have: as many as wanted, else all that the context leaves.

    Raises:
        Refused: 400, the context does not hold that.
    """
    if prompt == 0:
        raise Refused(400, "the prompt is empty", param="prompt", code="empty_prompt")
    asked = least if wanted is None else wanted
    if prompt + asked > context:
        raise Refused(
            400,
            f"the context of this model is {context} tokens, and {prompt + asked} were asked for: {prompt} in the "
            f"prompt, {asked} in the answer. Shorten the prompt, or ask for fewer with max_tokens.",
            param="messages",
            code="context_length_exceeded",
        )
    return context - prompt if wanted is None else wanted


def refuse_many(answers: int, most: int) -> None:
    """Refuse a request that asks for too many answers.

    Raises:
        ParameterError: It does.
    """
    if answers > most:
        raise ParameterError(f"{answers} answers in one request are more than {most}", hint="Send several requests.")


async def begun(visit: Visit, makers: Sequence[Callable[[], Pieces]], together: int) -> Parts:
    """Start the answers and wait for the first part of any, so that what fails at once fails before the headers.

    Args:
        visit: The request; it closes what is left open.
        makers: Each starts one answer.
        together: Most that are made at a time.
    """
    parts = _merged(visit, makers, together)
    visit.stack.push_async_callback(parts.aclose)
    first = await anext(parts)

    async def whole() -> Parts:
        yield first
        async for part in parts:
            yield part

    return whole()


async def collected(visit: Visit, makers: Sequence[Callable[[], Pieces]], together: int) -> list[Answer]:
    """All answers, whole."""
    out = [Answer() for _ in makers]
    async for index, piece in await begun(visit, makers, together):
        out[index].text += piece.text
        out[index].tokens += piece.tokens
        out[index].finish = piece.finish or out[index].finish
    return out


async def _merged(visit: Visit, makers: Sequence[Callable[[], Pieces]], together: int) -> Parts:
    queue: asyncio.Queue[tuple[int, Piece] | BaseException | None] = asyncio.Queue()
    turns = asyncio.Semaphore(together)

    async def pump(index: int, make: Callable[[], Pieces]) -> None:
        try:
            async with turns, aclosing(make()) as pieces:
                async for piece in pieces:
                    queue.put_nowait((index, piece))
            queue.put_nowait(None)
        except Exception as error:  # noqa: BLE001 - raised where the parts are taken out
            queue.put_nowait(error)

    tasks = [asyncio.create_task(pump(index, make)) for index, make in enumerate(makers)]
    try:
        left = len(tasks)
        while left:
            async with asyncio.timeout_at(visit.deadline):
                part = await queue.get()
            if part is None:
                left -= 1
            elif isinstance(part, BaseException):
                raise part
            else:
                visit.saw(*part)
                yield part
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
