"""A model of this process that answers many requests at once: continuous batching on one thread.

Requests join and leave the running batch between two tokens. One thread owns the model; the event loop only hands
requests in and takes pieces out, one wake-up a step. A request that nobody listens to any more leaves at the next
token. Prompts are read between two steps, so many tokens at a time that those who are being answered need not wait
long; a longer prompt is read in parts. Scoring and embedding are done between two steps too, a batch at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import torch

from corpusmith.core.errors import ParameterError
from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.serving.batch import Batch, Forward, LongPrompt, alike
from corpusmith.models.serving.contract import Piece, Refused, Sampling, Token
from corpusmith.models.serving.jobs import Answering, EngineLimits, Reading
from corpusmith.models.serving.json_prefix import JsonAnswer
from corpusmith.models.serving.pieces import Pieces, tell
from corpusmith.models.serving.reading import embeddings, prompt_chances
from corpusmith.models.serving.sampling import Chosen, Draws, Senseless, choose
from corpusmith.models.serving.spelling import Writer
from corpusmith.models.serving.token_side import TokenSide
from corpusmith.models.serving.waiting import TURN_ACCELERATOR, TURN_CPU, WaitingLine

TOGETHER = 32
"""Most texts of one request that wait to be embedded at a time."""
MOST_LOGITS = 2**29
"""Most numbers that the logits of one scored prompt may have where they cannot be computed in parts."""


class Engine(TokenSide):
    """A served model over plain transformers; PEFT's adapters and learned prompts too.

    Args:
        opened: The model.
        ref: `name@version`, or the artifact's id.
        limits: How much is done at once.
    """

    def __init__(self, opened: OpenedModel, ref: str, limits: EngineLimits | None = None) -> None:
        size = int(opened.model.get_input_embeddings().weight.shape[0])
        super().__init__(opened.form, ref, opened.context, size)
        self._limits, self._ends = limits or EngineLimits(), frozenset(opened.ends)
        self._in_parts = opened.plain_head
        self._pieces = Pieces(self._spelling, self._ends)
        self._forward: Any = Forward(opened)
        self._batch: Any = Batch(self._forward)
        self._rows: list[Answering] = []
        turn = self._limits.prefill_tokens
        self._turn = turn or (TURN_CPU if opened.device.type == "cpu" else TURN_ACCELERATOR)
        self._line = WaitingLine(self._limits, self._turn, in_parts=self._batch.pooled)
        self._long: tuple[Answering, LongPrompt] | None = None
        self._readings: deque[Reading] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"engine {ref}", daemon=True)
        self._thread.start()

    @property
    def load(self) -> tuple[int, int]:
        """(answers in the making, requests that wait)."""
        return len(self._rows) + bool(self._long), self._queued

    @property
    def _queued(self) -> int:
        return len(self._line) + len(self._readings)

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """As `ServedModel.generate`."""
        self._check_answer(ids, sampling)
        json = JsonAnswer(self._spelling, self._ends) if sampling.json_only else None
        draws = Draws(sampling, json.allows if json else None)
        row = Answering(list(ids), draws, Writer(self._spelling, sampling.stop), asyncio.get_running_loop(), json)
        with self._changed:
            self._admit()
            self._line.add(row)
            self._changed.notify()
        try:
            while True:
                piece = await row.out.get()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
                if piece.finish:
                    return
        finally:
            row.gone = True

    async def score(self, ids: Sequence[int], top: int) -> list[Token]:
        """As `ServedModel.score`."""
        self._check(ids)
        if not self._in_parts and len(ids) * self._size > MOST_LOGITS:
            raise ParameterError(f"{len(ids)} tokens are too many to be scored with this model", hint="Send fewer.")

        def work(prompts: Sequence[Sequence[int]]) -> Sequence[Any]:
            return prompt_chances(self._forward, prompts, top)

        found: list[Chosen | None] = await self._read(list(ids), work, f"score {top}")
        return [self._pieces.token(token, chosen) for token, chosen in zip(ids, found, strict=True)]

    async def embed(self, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector of unit length per text: the mean of its tokens' last hidden states."""
        for ids in prompts:
            self._check(ids)

        def work(prompts: Sequence[Sequence[int]]) -> Sequence[Any]:
            return embeddings(self._forward, prompts)

        out: list[list[float]] = []
        for start in range(0, len(prompts), TOGETHER):
            part = prompts[start : start + TOGETHER]
            out += await asyncio.gather(*(self._read(list(ids), work, "embed") for ids in part))
        return out

    async def close(self) -> None:
        """Answer what is there, then let go of the weights."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _admit(self) -> None:
        if self._closing:
            raise Refused(503, "this version is being closed", "server_error", code="closing", retry_after_s=1)
        if self._queued >= self._limits.waiting:
            raise Refused(503, "too many requests wait", "server_error", code="overloaded", retry_after_s=1)

    async def _read(self, ids: list[int], work: Callable[[Sequence[Sequence[int]]], Sequence[Any]], kind: str) -> Any:
        reading = Reading(ids, work, kind)
        with self._changed:
            self._admit()
            self._readings.append(reading)
            self._changed.notify()
        return await asyncio.wrap_future(reading.done)

    # What follows runs on the engine's thread.

    def _work(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._do_readings()
                    self._leave()
                    self._join()
                    self._step()
                except Exception as error:  # noqa: BLE001 - a defect must not end the thread that all wait for
                    self._drop(error)
        self._forward = self._batch = None

    def _wait(self) -> bool:
        """Until there is something to do; False when there will be nothing any more."""
        with self._changed:
            while not (self._rows or self._long or self._queued):
                if self._closing:
                    return False
                self._changed.wait()
        return True

    def _do_readings(self) -> None:
        batch: list[Reading] = []
        with self._changed:
            while self._readings:
                first = self._readings[0]
                longest = max(len(reading.ids) for reading in [first, *batch])
                full = (len(batch) + 1) * longest > self._turn
                if batch and (full or first.kind != batch[0].kind):
                    break
                self._readings.popleft()
                if first.done.set_running_or_notify_cancel():
                    batch.append(first)
        if not batch:
            return
        try:
            found = batch[0].work([reading.ids for reading in batch])
        except Exception as error:  # noqa: BLE001 - handed to those who wait for it
            for reading in batch:
                reading.done.set_exception(_failed(error))
            return
        for reading, result in zip(batch, found, strict=True):
            reading.done.set_result(result)

    def _leave(self) -> None:
        """Let those go that are at their end, or that nobody listens to any more."""
        for at in reversed(range(len(self._rows))):
            if self._rows[at].over or self._rows[at].gone:
                self._batch.leave(at)
                last = self._rows.pop()
                if at < len(self._rows):
                    self._rows[at] = last

    def _join(self) -> None:
        """Read a turn's worth of what waits, as far as there is room."""
        with self._changed:
            new, long = self._line.take(self._rows, self._long[0] if self._long else None)
        if long:
            self._long = long, LongPrompt(self._forward, long.ids)
        for rows in alike(sorted(new, key=lambda row: len(row.ids)), lambda row: len(row.ids)):
            try:
                logits = self._batch.join([row.ids for row in rows])
            except Exception as error:  # noqa: BLE001 - handed to those who wait for it
                tell([(row, _failed(error)) for row in rows])
            else:
                self._rows += rows
                self._advance(rows, logits)
        if self._long:
            self._read_on(*self._long, self._turn // 2 if new else self._turn)

    def _read_on(self, row: Answering, prompt: LongPrompt, most: int) -> None:
        """Some tokens more of a long prompt; once it is read, its row joins."""
        logits = None
        try:
            if not row.gone:
                logits = prompt.read(max(most, 1))
                if logits is None:
                    return
                self._batch.take(prompt)
                self._rows.append(row)
        except Exception as error:  # noqa: BLE001 - handed to the one who waits for it
            tell([(row, _failed(error))])
        self._long = None
        if logits is not None:
            self._advance([row], logits)

    def _step(self) -> None:
        self._leave()
        if not self._rows:
            return
        self._advance(self._rows, self._batch.step([row.last for row in self._rows]))

    def _drop(self, error: Exception) -> None:
        """Nothing can be said of the batch any more: tell everybody in it."""
        tell([(row, _failed(error)) for row in self._rows])
        self._rows = []
        self._batch.clear()

    def _advance(self, rows: Sequence[Answering], logits: Any) -> None:
        """One token more for each of `rows`."""
        told: list[tuple[Answering, Piece | BaseException]] = []
        for row, chosen in zip(rows, choose(logits, [row.draws for row in rows]), strict=True):
            if isinstance(chosen, Senseless):
                row.over = True
                told.append((row, chosen))
            else:
                told.append((row, self._pieces.next(row, chosen)))
        tell(told)


def _failed(error: Exception) -> RuntimeError:
    """The failure, for one of those that it hit: an exception that several tasks raise would grow with each."""
    failure = RuntimeError(f"the model failed: {error}")
    failure.__cause__ = error
    return failure
