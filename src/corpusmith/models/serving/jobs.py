"""What the engine works on: answers in the making, and things to be computed over whole sequences."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from corpusmith.models.serving.contract import Piece
from corpusmith.models.serving.json_prefix import JsonAnswer
from corpusmith.models.serving.sampling import Draws
from corpusmith.models.serving.spelling import Writer


@dataclass(frozen=True)
class EngineLimits:
    """How much is done at once.

    Attributes:
        rows: Most answers that are made at a time.
        cells: Most tokens that rows may come to hold, padding counted: rows x the longest of them.
        prefill_tokens: Most prompt tokens that are read between two tokens of the answers; a longer prompt is read in
            parts. None = 512 on a CPU, 4,096 on an accelerator.
        waiting: Most requests that wait; one more is refused.
    """

    rows: int = 64
    cells: int = 131_072
    prefill_tokens: int | None = None
    waiting: int = 256


@dataclass(eq=False)
class Answering:
    """One answer in the making."""

    ids: list[int]
    draws: Draws
    writer: Writer
    loop: asyncio.AbstractEventLoop
    json: JsonAnswer | None = None
    out: asyncio.Queue[Piece | BaseException] = field(default_factory=asyncio.Queue)
    made: int = 0
    last: int = -1
    over: bool = False
    gone: bool = False

    @property
    def most(self) -> int:
        """Tokens that it may come to hold."""
        return len(self.ids) + self.draws.sampling.max_tokens


@dataclass(eq=False)
class Reading:
    """Something to be computed over whole sequences."""

    ids: list[int]
    work: Callable[[Sequence[Sequence[int]]], Sequence[Any]]
    kind: str
    done: Future[Any] = field(default_factory=Future)
