"""Log probabilities in the two forms of the API: of chat, and of completions."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from corpusmith.models.serving.contract import Token

LEAST = -9999.0
"""Stands for minus infinity, which JSON has not."""


def of_chat(tokens: Sequence[Token]) -> dict[str, Any]:
    """`choices[].logprobs` of chat."""
    content = [_entry(token) | {"top_logprobs": [_entry(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


class Places:
    """Where in a text each token begins, in characters.

    Args:
        echoed: The prompt, where it stands before the answer: control tokens count as far as they are written there.
    """

    def __init__(self, echoed: str = "") -> None:
        self._echoed, self._at = echoed, 0
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def place(self, token: Token) -> int:
        """Of the next token."""
        at, raw = self._at, token.raw
        if not raw and self._echoed.startswith(token.text, at):
            raw = token.text.encode()
        self._at += len(self._bytes.decode(raw))
        return at


def of_completion(tokens: Sequence[Token], top: int, places: Places) -> dict[str, Any]:
    """`choices[].logprobs` of completions.

    Args:
        tokens: Of the prompt, where it is echoed, and the answer.
        top: How many alternatives were asked for.
        places: Of the tokens before them.
    """
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [_finite(token.logprob) for token in tokens],
        "top_logprobs": [_alternatives(token) for token in tokens] if top else None,
        "text_offset": [places.place(token) for token in tokens],
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
