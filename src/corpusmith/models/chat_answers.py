"""Finds the typed answer in a chat completion: a tool call, or a JSON object anywhere in the text.

Servers differ: some call the tool, some ignore tools and answer with JSON, with or without a fence, after a paragraph
of thoughts. The last object that fits the schema is the answer; so let schemas forbid extra fields and require some.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

MAX_TEXT_CHARS = 200_000
MAX_STARTS = 500
ERROR_CHARS = 600


class Answer(NamedTuple, Generic[M]):
    """The value, or why there is none. `found` is whether anything object-like was there at all."""

    value: M | None
    error: str | None
    found: bool


def read_answer(tool_calls: list[Mapping[str, Any]], broken_calls: list[Any], text: str, schema: type[M]) -> Answer[M]:
    """The answer in a completion.

    Args:
        tool_calls: Parsed calls, each with `args`.
        broken_calls: Raw argument texts of calls whose arguments were no JSON object.
        text: The completion's text.
        schema: What the answer must be.
    """
    candidates: list[Any] = [call.get("args") for call in tool_calls]
    for raw in broken_calls:
        candidates.extend(json_objects(raw if isinstance(raw, str) else ""))
    candidates.extend(json_objects(text))
    errors: list[str] = []
    for candidate in reversed(candidates):
        try:
            return Answer(schema.model_validate(candidate), None, True)
        except ValidationError as error:
            errors.append(explain(error))
    if errors:
        return Answer(None, f"the answer does not fit the schema: {errors[0]}", True)
    if broken_calls:
        return Answer(None, "the arguments of the call are no JSON object", True)
    return Answer(None, "the answer holds no JSON object", False)


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text, in order; at most 500 opening braces of 200,000 characters are tried.

    An object that is cut off at the text's end yields nothing, and neither do the objects inside it.
    """
    decoder, at = json.JSONDecoder(), 0
    text = text[:MAX_TEXT_CHARS]
    for _ in range(MAX_STARTS):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated string") or not text[error.pos :].strip():
                return
            at += 1
            continue
        except RecursionError:
            return
        yield value


def explain(error: ValidationError) -> str:
    """A validation error as one line a model can act on: where and what, without the values."""
    parts = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"]) or "answer"
        parts.append(f"{where}: {item['msg']}")
    text = "; ".join(parts)
    return text if len(text) <= ERROR_CHARS else text[:ERROR_CHARS] + "…"
