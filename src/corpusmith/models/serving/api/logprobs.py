"""Log probabilities in the two forms of the API: of chat, and of completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpusmith.models.serving.contract import Token

LEAST = -9999.0
"""Stands for minus infinity, which JSON has not."""


def of_chat(tokens: Sequence[Token]) -> dict[str, Any]:
    """`choices[].logprobs` of chat."""
    content = [_entry(token) | {"top_logprobs": [_entry(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def of_completion(tokens: Sequence[Token], top: int, offset: int = 0) -> dict[str, Any]:
    """`choices[].logprobs` of completions.

    Args:
        tokens: Of the prompt, where it is echoed, and the answer.
        top: How many alternatives were asked for.
        offset: Characters before the first of them.
    """
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [_alternatives(token) for token in tokens] if top else None,
        "text_offset": offsets,
    }


def _alternatives(token: Token) -> dict[str, float | None] | None:
    if token.logprob is None:
        return None
    found: dict[str, float | None] = {}
    for other in (*token.top, token):  # the token itself is always among them
        found.setdefault(other.text, _finite(other.logprob))
    return found


def _entry(token: Token) -> dict[str, Any]:
    return {"token": token.text, "logprob": _finite(token.logprob), "bytes": list(token.raw)}


def _finite(chance: float | None) -> float | None:
    return None if chance is None else max(chance, LEAST)
