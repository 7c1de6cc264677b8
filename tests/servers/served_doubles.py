"""Served models that are no models: they answer with what they are, and say whether they are open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from corpusmith.models.serving.contract import Piece, Sampling, Token


class PlainModel:
    """Answers with its own ref, a word a token; `log` is told of what is opened and closed."""

    def __init__(self, ref: str, log: list[tuple[str, str]] | None = None, *, pause_s: float = 0.0) -> None:
        self.ref, self.context, self.pause_s = ref, 256, pause_s
        self.log = log if log is not None else []
        self.closed, self.broken, self.generating = False, False, 0
        self.log.append(("open", ref))

    def chat_ids(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        return [1] * (1 + sum(len(str(message["content"]).split()) for message in messages))

    def text_ids(self, text: str) -> list[int]:
        return [1] * max(1, len(text.split()))

    def tokens(self, ids: Sequence[int]) -> list[Token]:
        return [Token(number, f"t{number}", f"t{number}".encode()) for number in ids]

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        assert not self.closed, f"{self.ref} was closed under a request"
        self.generating += 1
        try:
            words = f"I am {self.ref} .".split()[: sampling.max_tokens]
            for n, word in enumerate(words):
                await asyncio.sleep(0.0 if sampling.top_logprobs else self.pause_s)  # a look at its health is quick
                if self.broken:
                    raise RuntimeError(f"{self.ref} broke")
                assert not self.closed, f"{self.ref} was closed under a request"
                finish = ("stop" if len(words) == 4 else "length") if n == len(words) - 1 else None
                text = word if n == 0 else f" {word}"
                yield Piece(text, (Token(n, text, text.encode(), -0.5),), finish)  # type: ignore[arg-type]
        finally:
            self.generating -= 1

    async def score(self, ids: Sequence[int], top: int) -> list[Token]:
        return [Token(number, "t", b"t", -1.0) for number in ids]

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    async def close(self) -> None:
        assert not self.generating
        self.closed = True
        self.log.append(("close", self.ref))
