"""`POST /v1/completions`: text or token ids go on; `echo` with `logprobs` tells a prompt's own log probabilities.

`lm_eval --model local-completions` lives on the latter: `echo`, `max_tokens: 1`, `logprobs: 1`, prompts as token ids.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from corpusmith.models.serving.api import logprobs
from corpusmith.models.serving.api.answers import (
    Parts,
    Pieces,
    begun,
    collected,
    refuse_many,
    room_for,
    sampling_of,
)
from corpusmith.models.serving.api.desk import Desk, desk_of, in_thread
from corpusmith.models.serving.api.shapes import ERRORS, CompletionRequest
from corpusmith.models.serving.api.stream import event_stream
from corpusmith.models.serving.api.visit import Visit, usage, visit_of
from corpusmith.models.serving.contract import Piece, Refused, ServedModel, Token

router = APIRouter()
DEFAULT_TOKENS = 16


@dataclass(frozen=True)
class Prompt:
    """One prompt: its ids, and what of it is sent back before each answer."""

    ids: list[int]
    echo: str = ""
    tokens: tuple[Token, ...] = ()


@router.post("/v1/completions", responses={**ERRORS})
async def complete(request: Request, body: CompletionRequest) -> Response:
    """Go on from each prompt."""
    visit, desk = visit_of(request), desk_of(request)
    visit.prompt = body.prompt
    served, grounder = await desk.borrow(visit, body.model)
    if grounder is not None:
        raise Refused(400, "an index answers in chat and at /v1/rag only", param="model", code="unsupported_value")
    asked, each = as_many(body.prompt), body.n or 1
    refuse_many(len(asked) * each, desk.limits.answers)
    ids = await in_thread(visit, lambda: [served.text_ids(one) if isinstance(one, str) else one for one in asked])
    visit.prompt_tokens = sum(len(one) for one in ids)
    wanted = DEFAULT_TOKENS if body.max_tokens is None else body.max_tokens
    for one in ids:
        room_for(served.context, len(one), wanted)
    prompts = await _prompts(visit, desk, served, body, asked, ids)
    makers: list[Callable[[], Pieces]] = []
    for prompt in prompts:
        for index in range(each):
            sampling = sampling_of(body, max(1, wanted), body.logprobs, index)
            makers.append(partial(served.generate, prompt.ids, sampling) if wanted else _nothing)
    before = [prompt for prompt in prompts for _ in range(each)]
    head = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}
    head |= {"model": body.model}
    if body.stream:
        parts = await begun(visit, makers, desk.limits.together)
        return event_stream(visit, _chunks(visit, body, head, before, parts))
    found = await collected(visit, makers, desk.limits.together)
    choices = [
        {
            "index": index,
            "text": prompt.echo + answer.text,
            "logprobs": _logprobs(body, (*prompt.tokens, *answer.tokens), logprobs.Places(prompt.echo)),
            "finish_reason": answer.finish,
        }
        for index, (prompt, answer) in enumerate(zip(before, found, strict=True))
    ]
    return JSONResponse(head | {"choices": choices, "usage": usage(visit.prompt_tokens, visit.answer_tokens)})


def as_many(prompt: str | Sequence[Any]) -> list[Any]:
    """One prompt or many, as many."""
    if isinstance(prompt, str) or isinstance(prompt[0], int):
        return [prompt]
    return list(prompt)


async def _prompts(
    visit: Visit,
    desk: Desk,
    served: ServedModel,
    body: CompletionRequest,
    asked: Sequence[str | Sequence[int]],
    ids: Sequence[list[int]],
) -> list[Prompt]:
    """The prompts, with what is echoed of them."""
    if not body.echo:
        return [Prompt(one) for one in ids]
    plain = [served.tokens(one) for one in ids]
    texts = [one if isinstance(one, str) else _spelled(tokens) for one, tokens in zip(asked, plain, strict=True)]
    if body.logprobs is None:
        return [Prompt(*one) for one in zip(ids, texts, strict=True)]
    turns = asyncio.Semaphore(desk.limits.together)

    async def score(one: list[int]) -> list[Token]:
        async with turns:
            return await served.score(one, body.logprobs or 0)

    async with asyncio.timeout_at(visit.deadline):
        scored = await asyncio.gather(*(score(one) for one in ids))
    return [Prompt(one, text, tuple(told)) for one, text, told in zip(ids, texts, scored, strict=True)]


def _spelled(tokens: Sequence[Token]) -> str:
    """Token ids as text, control tokens too."""
    return b"".join(token.raw or token.text.encode() for token in tokens).decode(errors="replace")


def _logprobs(body: CompletionRequest, tokens: Sequence[Token], places: logprobs.Places) -> dict[str, Any] | None:
    return None if body.logprobs is None else logprobs.of_completion(tokens, body.logprobs, places)


async def _nothing() -> Pieces:
    yield Piece("", (), "length")


async def _chunks(
    visit: Visit, body: CompletionRequest, head: Mapping[str, Any], prompts: Sequence[Prompt], parts: Parts
) -> AsyncGenerator[Mapping[str, Any], None]:
    with_usage = bool(body.stream_options and body.stream_options.include_usage)
    frame = {**head} | ({"usage": None} if with_usage else {})
    places = [logprobs.Places(prompt.echo) for prompt in prompts]

    def chunk(index: int, text: str, tokens: Sequence[Token], finish: str | None) -> dict[str, Any]:
        chances = _logprobs(body, tokens, places[index]) if tokens else None
        return {
            **frame,
            "choices": [{"index": index, "text": text, "logprobs": chances, "finish_reason": finish}],
        }

    for index, prompt in enumerate(prompts):
        if body.echo:
            yield chunk(index, prompt.echo, prompt.tokens, None)
    async for index, piece in parts:
        if piece.text or piece.finish or body.logprobs is not None:
            yield chunk(index, piece.text, piece.tokens, piece.finish)
    if with_usage:
        yield {**frame, "choices": [], "usage": usage(visit.prompt_tokens, visit.answer_tokens)}
