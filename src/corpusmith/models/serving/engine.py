"""A model of this process that answers many requests at once: continuous batching on one thread.

Requests join and leave the running batch between two tokens. One thread owns the model; the event loop only hands
requests in and takes pieces out, one wake-up a step. A request that nobody listens to any more leaves at the next
token. Scoring and embedding are done between two steps, a batch at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from corpusmith.core.errors import ParameterError
from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.serving.batch import Batch, Forward
from corpusmith.models.serving.contract import Finish, Piece, Refused, Sampling, Token
from corpusmith.models.serving.jobs import Answering, EngineLimits, Reading
from corpusmith.models.serving.json_prefix import JsonAnswer
from corpusmith.models.serving.prompts import Prompts
from corpusmith.models.serving.reading import embeddings, prompt_chances
from corpusmith.models.serving.sampling import Chosen, Draws, Senseless, choose
from corpusmith.models.serving.spelling import Spelling, Writer

TOGETHER = 32
"""Most texts of one request that wait to be embedded at a time."""
MOST_LOGITS = 2**29
"""Most numbers that the logits of one scored prompt may have where they cannot be computed in parts."""


class Engine:
    """A served model over plain transformers; PEFT's adapters and learned prompts too.

    Args:
        opened: The model.
        ref: `name@version`, or the artifact's id.
        limits: How much is done at once.
    """

    def __init__(self, opened: OpenedModel, ref: str, limits: EngineLimits | None = None) -> None:
        self._ref, self._limits = ref, limits or EngineLimits()
        self._context, self._ends = opened.context, frozenset(opened.ends)
        self._in_parts = opened.plain_head
        self._spelling, self._prompts = Spelling(opened.form.tokenizer), Prompts(opened.form)
        self._size = int(opened.model.get_input_embeddings().weight.shape[0])
        self._forward: Any = Forward(opened)
        self._batch: Any = Batch(self._forward)
        self._rows: list[Answering] = []
        self._waiting: deque[Answering] = deque()
        self._readings: deque[Reading] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"engine {ref}", daemon=True)
        self._thread.start()

    @property
    def ref(self) -> str:
        """`name@version`, or the artifact's id."""
        return self._ref

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context

    @property
    def load(self) -> tuple[int, int]:
        """(answers in the making, requests that wait)."""
        return len(self._rows), len(self._waiting) + len(self._readings)

    def chat_ids(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """As `ServedModel.chat_ids`."""
        return self._prompts.chat_ids(messages, tools)

    def text_ids(self, text: str) -> list[int]:
        """As `ServedModel.text_ids`."""
        return self._prompts.text_ids(text)

    def tokens(self, ids: Sequence[int]) -> list[Token]:
        """As `ServedModel.tokens`."""
        self._check(ids, 0)
        return [self._spelling.token(token) for token in ids]

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """As `ServedModel.generate`."""
        self._check(ids, sampling.max_tokens)
        for token in sampling.logit_bias:
            self._check([token], 0)
        json = JsonAnswer(self._spelling, self._ends) if sampling.json_only else None
        draws = Draws(sampling, json.allows if json else None)
        row = Answering(list(ids), draws, Writer(self._spelling, sampling.stop), asyncio.get_running_loop(), json)
        with self._changed:
            self._admit()
            self._waiting.append(row)
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
        self._check(ids, 0)
        if not self._in_parts and len(ids) * self._size > MOST_LOGITS:
            raise ParameterError(f"{len(ids)} tokens are too many to be scored with this model", hint="Send fewer.")

        def work(prompts: Sequence[Sequence[int]]) -> Sequence[Any]:
            return prompt_chances(self._forward, prompts, top)

        found: list[Chosen | None] = await self._read(list(ids), work, f"score {top}")
        return [self._told(token, chosen) for token, chosen in zip(ids, found, strict=True)]

    async def embed(self, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector of unit length per text: the mean of its tokens' last hidden states."""
        for ids in prompts:
            self._check(ids, 0)

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

    def _check(self, ids: Sequence[int], made: int) -> None:
        if not ids:
            raise ParameterError("the prompt is empty", hint="Say something.")
        if len(ids) + made > self._context:
            raise ParameterError(
                f"prompt and answer of {len(ids) + made} tokens are longer than the context of {self._context}",
                hint="Shorten the prompt, or lower max_tokens.",
            )
        if not 0 <= min(ids) <= max(ids) < self._size:
            raise ParameterError(f"token ids go from 0 to {self._size - 1}", hint="Use this model's tokenizer.")

    def _admit(self) -> None:
        if self._closing:
            raise Refused(503, "this version is being closed", "server_error", code="closing", retry_after_s=1)
        if sum(self.load) - len(self._rows) >= self._limits.waiting:
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
            while not (self._rows or self._waiting or self._readings):
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
                full = (len(batch) + 1) * longest > self._limits.prefill_tokens
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
        """Take in what waits, as far as there is room."""
        new: list[Answering] = []
        with self._changed:
            if any(row.gone for row in self._waiting):
                self._waiting = deque(row for row in self._waiting if not row.gone)
            while self._waiting and self._fits(self._waiting[0], new):
                new.append(self._waiting.popleft())
        if not new:
            return
        new.sort(key=lambda row: -len(row.ids))
        try:
            logits = self._batch.join([row.ids for row in new])
        except Exception as error:  # noqa: BLE001 - handed to those who wait for it
            self._tell([(row, _failed(error)) for row in new])
            return
        self._rows += new
        self._advance(new, logits)

    def _fits(self, row: Answering, new: Sequence[Answering]) -> bool:
        rows = [*self._rows, *new, row]
        limits = self._limits
        if len(rows) > limits.rows:
            return False
        longest = max(len(one.ids) for one in [*new, row])
        if new and (len(new) + 1) * longest > limits.prefill_tokens:
            return False
        return len(rows) == 1 or len(rows) * max(one.most for one in rows) <= limits.cells

    def _step(self) -> None:
        self._leave()
        if not self._rows:
            return
        self._advance(self._rows, self._batch.step([row.last for row in self._rows]))

    def _drop(self, error: Exception) -> None:
        """Nothing can be said of the batch any more: tell everybody in it."""
        self._tell([(row, _failed(error)) for row in self._rows])
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
                told.append((row, self._piece(row, chosen)))
        self._tell(told)

    def _told(self, token: int, chosen: Chosen | None) -> Token:
        plain = self._spelling.token(token)
        if chosen is None or chosen.logprob is None:
            return plain
        top = tuple(replace(self._spelling.token(other), logprob=chance) for other, chance in chosen.top)
        return Token(plain.id, plain.text, plain.raw, chosen.logprob, top)

    def _piece(self, row: Answering, chosen: Chosen) -> Piece:
        row.made, row.last = row.made + 1, chosen.id
        ended, text = chosen.id in self._ends, ""
        if not ended:
            text = row.writer.add(chosen.id)
            if row.json is not None:
                row.json.take(chosen.id)
        finish: Finish | None = None
        if row.made >= row.draws.sampling.max_tokens:
            finish = "length"
        if ended or row.writer.stopped or (row.json is not None and row.json.complete):
            finish = "stop"
        if finish:
            text += row.writer.end()
            finish = "stop" if row.writer.stopped else finish
            row.over = True
        return Piece(text, (self._told(chosen.id, chosen),), finish)

    @staticmethod
    def _tell(told: Sequence[tuple[Answering, Piece | BaseException]]) -> None:
        """Hand pieces to the loops that wait for them, one wake-up each."""
        loops = {row.loop for row, _ in told}
        for loop in loops:
            mine = [(row.out, piece) for row, piece in told if row.loop is loop]
            try:
                loop.call_soon_threadsafe(_put, mine)
            except RuntimeError:  # the loop is closed: nobody listens
                for row, _ in told:
                    row.gone = row.gone or row.loop is loop


def _put(pieces: Sequence[tuple[asyncio.Queue[Piece | BaseException], Piece | BaseException]]) -> None:
    for queue, piece in pieces:
        queue.put_nowait(piece)


def _failed(error: Exception) -> RuntimeError:
    """The failure, for one of those that it hit: an exception that several tasks raise would grow with each."""
    failure = RuntimeError(f"the model failed: {error}")
    failure.__cause__ = error
    return failure
