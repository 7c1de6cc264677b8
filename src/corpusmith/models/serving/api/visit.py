"""One request from its first byte to its last: who asks, what it borrowed, what is recorded of it in the end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from corpusmith.models.serving.contract import Asked, Caller, Fleet, Piece, ServedModel

GONE = 499
"""Status of a request whose client hung up."""


@dataclass
class Visit:
    """What is known of a request so far; the attributes that have no comment are those of `contract.Asked`.

    Attributes:
        deadline: When the answer must be there, on the loop's clock.
        stack: What is given back when the request is over: the borrowed model, generators.
        over: Whether the last byte went out.
    """

    request_s: float
    caller: Caller = field(default_factory=lambda: Caller(""))
    id: str = field(default_factory=lambda: f"req_{uuid.uuid4().hex}")
    route: str = "unknown"
    model: str = ""
    version: str = ""
    status: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    first_token_s: float | None = None
    prompt: Any = None
    answers: dict[int, str] = field(default_factory=dict)
    passages: tuple[str, ...] = ()
    finishes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    over: bool = False
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + self.request_s

    @property
    def seconds(self) -> float:
        """Since the first byte."""
        return time.perf_counter() - self.started

    async def borrow(self, fleet: Fleet, name: str, asked: str) -> ServedModel:
        """A version of the model, until the request is over.

        Raises:
            NotFoundError: No such model is served.
        """
        self.model = asked
        served = await self.stack.enter_async_context(fleet.lend(name, self.caller.id))
        self.version = served.ref
        return served

    def saw(self, index: int, piece: Piece) -> None:
        """Take note of a part of answer `index`."""
        if self.first_token_s is None:
            self.first_token_s = self.seconds
        self.answer_tokens += len(piece.tokens)
        self.answers[index] = self.answers.get(index, "") + piece.text
        if piece.finish:
            self.finishes.append(piece.finish)

    def asked(self) -> Asked:
        """For the record."""
        hidden = self.caller.redact
        return Asked(
            id=self.id,
            route=self.route,
            caller=self.caller,
            model=self.model,
            version=self.version,
            status=self.status,
            prompt_tokens=self.prompt_tokens,
            answer_tokens=self.answer_tokens,
            first_token_s=self.first_token_s,
            seconds=self.seconds,
            prompt=None if hidden else self.prompt,
            answer=None if hidden else "\n".join(text for _, text in sorted(self.answers.items())),
            passages=self.passages,
            finishes=tuple(self.finishes),
        )


def usage(prompt_tokens: int, answer_tokens: int) -> dict[str, int]:
    """The tokens of a request, as the client reads them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": answer_tokens,
        "total_tokens": prompt_tokens + answer_tokens,
    }


def visit_of(request: Request) -> Visit:
    """The visit that the request is."""
    visit: Visit = request.scope["state"]["visit"]
    return visit


def stop_texts(stop: str | Sequence[str] | None) -> tuple[str, ...]:
    """`stop` as it may be sent, as texts."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
