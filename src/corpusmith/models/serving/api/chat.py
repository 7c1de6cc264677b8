"""`POST /v1/chat/completions`; with a model `<name>+rag` the answer rests on passages of an index."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from corpusmith.models.serving.api import logprobs
from corpusmith.models.serving.api.answers import (
    Answer,
    Parts,
    Pieces,
    begun,
    collected,
    refuse_many,
    room_for,
    sampling_of,
)
from corpusmith.models.serving.api.desk import NOT_FOUND, desk_of, grounded, grounding_facts, in_thread
from corpusmith.models.serving.api.shapes import ERRORS, ChatMessage, ChatRequest, Retrieval
from corpusmith.models.serving.api.stream import event_stream
from corpusmith.models.serving.api.tool_calls import CallSplitter
from corpusmith.models.serving.api.visit import Visit, usage, visit_of
from corpusmith.models.serving.contract import Piece, Refused, ServedModel

router = APIRouter()


@router.post("/v1/chat/completions", responses={**ERRORS})
async def chat(request: Request, body: ChatRequest) -> Response:
    """Answer a conversation."""
    visit, desk = visit_of(request), desk_of(request)
    refuse_many(body.n or 1, desk.limits.answers)
    served, grounder = await desk.borrow(visit, body.model)
    tools = _tools(body)
    json_only = _json_only(body)
    messages = [_message(one) for one in body.messages]
    visit.prompt = messages
    extra: dict[str, Any] = {}
    makers: Sequence[Callable[[], Pieces]]
    if grounder is not None:
        asked = body.rag or Retrieval()
        answer = body.max_completion_tokens or body.max_tokens or 1
        found = await grounded(visit, grounder, served, messages, (asked.k, asked.filters), answer)
        messages, extra = found.messages, grounding_facts(found)
        if not found.found:
            makers = [_not_found] * (body.n or 1)
            return await _respond(visit, body, makers, extra, desk.limits.together)
    elif body.rag is not None:
        raise Refused(400, f"rag is for a model {body.model}+rag", param="rag")
    makers = await answers_to(visit, served, messages, tools, body, json_only)
    return await _respond(visit, body, makers, extra, desk.limits.together)


async def answers_to(
    visit: Visit,
    served: ServedModel,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    body: ChatRequest,
    json_only: bool,
) -> list[Callable[[], Pieces]]:
    """What starts each answer."""
    ids = await in_thread(visit, lambda: served.chat_ids(messages, tools))
    visit.prompt_tokens = len(ids)
    wanted = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    room = room_for(served.context, len(ids), wanted)
    top = (body.top_logprobs or 0) if body.logprobs else None
    return [
        partial(served.generate, ids, sampling_of(body, room, top, index, json_only)) for index in range(body.n or 1)
    ]


async def _respond(
    visit: Visit, body: ChatRequest, makers: Sequence[Callable[[], Pieces]], extra: Mapping[str, Any], together: int
) -> Response:
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}
    if body.stream:
        return event_stream(visit, _chunks(visit, body, head, await begun(visit, makers, together), extra))
    found = await collected(visit, makers, together)
    choices = [_choice(body, index, answer, extra) for index, answer in enumerate(found)]
    spent = usage(visit.prompt_tokens, visit.answer_tokens)
    return JSONResponse(head | {"object": "chat.completion", "choices": choices, "usage": spent})


def _choice(body: ChatRequest, index: int, answer: Answer, extra: Mapping[str, Any]) -> dict[str, Any]:
    splitter = _splitter(body)
    text = splitter.add(answer.text)
    rest, calls = splitter.end()
    message: dict[str, Any] = {"role": "assistant", "content": text + rest, "refusal": None, **extra}
    if calls:
        message |= {"content": (text + rest).strip() or None, "tool_calls": calls}
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs.of_chat(answer.tokens) if body.logprobs else None,
        "finish_reason": "tool_calls" if calls and answer.finish == "stop" else answer.finish,
    }


async def _chunks(
    visit: Visit, body: ChatRequest, head: Mapping[str, Any], parts: Parts, extra: Mapping[str, Any]
) -> AsyncGenerator[Mapping[str, Any], None]:
    with_usage = bool(body.stream_options and body.stream_options.include_usage)
    frame = {**head, "object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})

    def chunk(index: int, delta: Mapping[str, Any], chances: Any = None, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": chances, "finish_reason": finish}
        return {**frame, "choices": [choice]}

    splitters = [_splitter(body) for _ in range(body.n or 1)]
    for index in range(len(splitters)):
        yield chunk(index, {"role": "assistant", "content": ""})
    async for index, piece in parts:
        chances = logprobs.of_chat(piece.tokens) if body.logprobs and piece.tokens else None
        text = splitters[index].add(piece.text)
        rest, calls = splitters[index].end() if piece.finish else ("", [])
        text += rest
        if text or chances:
            yield chunk(index, {"content": text}, chances)
        if calls:
            yield chunk(index, {"tool_calls": [{"index": n, **call} for n, call in enumerate(calls)]})
        if piece.finish:
            yield chunk(index, dict(extra), None, "tool_calls" if calls and piece.finish == "stop" else piece.finish)
    if with_usage:
        yield {**frame, "choices": [], "usage": usage(visit.prompt_tokens, visit.answer_tokens)}


async def _not_found() -> Pieces:
    yield Piece(NOT_FOUND, (), "stop")


def _message(one: ChatMessage) -> dict[str, Any]:
    """As chat templates take it."""
    out: dict[str, Any] = {"role": "system" if one.role == "developer" else one.role, "content": one.text}
    if one.tool_calls:
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": _arguments(call.function.arguments)},
            }
            for call in one.tool_calls
        ]
    if one.role == "tool":
        out |= {key: value for key in ("name", "tool_call_id") if (value := getattr(one, key)) is not None}
    return out


def _arguments(text: str) -> Any:
    """Templates want an object; what is none stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _splitter(body: ChatRequest) -> CallSplitter:
    return CallSplitter({tool.function.name for tool in body.tools or ()} if body.tool_choice != "none" else ())


def _tools(body: ChatRequest) -> list[dict[str, Any]]:
    choice = body.tool_choice
    if choice is not None and not isinstance(choice, str):
        raise Refused(400, "this server cannot force a certain tool", param="tool_choice", code="unsupported_value")
    if choice == "required":
        raise Refused(400, "this server cannot force a tool call", param="tool_choice", code="unsupported_value")
    if not body.tools:
        if choice == "auto":
            raise Refused(400, "tool_choice is for a request with tools", param="tool_choice")
        return []
    return [] if choice == "none" else [tool.model_dump(exclude_none=True) for tool in body.tools]


def _json_only(body: ChatRequest) -> bool:
    kind = "text" if body.response_format is None else body.response_format.type
    if kind == "json_schema":
        raise Refused(
            400,
            "this server cannot hold an answer to a schema; json_object it can",
            param="response_format",
            code="unsupported_value",
        )
    return kind == "json_object"
