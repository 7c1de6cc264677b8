"""What a model answers: greedy generation in batches, prompts padded on the left, an answer ends at EOS.

A prompt is encoded as in training, up to where its response would begin. One that leaves no room for an answer gives
way as in training (`examples.fit`): the oldest exchanges go first, then the beginning of the last question.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from corpusmith.core.tools import Cancel
from corpusmith.models.chat_format import ChatFormat, Turn, UnfitRow
from corpusmith.models.evaluation.likelihood import batches
from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.evaluation.targets import refuse_lost_system, spoken
from corpusmith.models.examples import Tally, fit

BATCH_TOKENS = {"cpu": 32768, "cuda": 262144}
"""Tokens of a batch when it is full, padding and answers counted, by kind of device."""
MOST_ROWS = 128
LEAST_PROMPT = 8


@dataclass(frozen=True)
class Answers:
    """n rows, in the order they were given.

    Attributes:
        row_ids: n row ids.
        texts: The answers, control tokens left out; empty where the row was refused.
        tokens: Tokens of each answer, the one that ends it included.
        ended: Whether the model ended the answer itself.
        refused: Row id to the reason why its prompt could not be encoded.
        seconds: Time that the model took.
    """

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    ended: tuple[bool, ...]
    refused: dict[str, str]
    seconds: float

    @property
    def by_row(self) -> dict[str, str]:
        """Row id to answer."""
        return dict(zip(self.row_ids, self.texts, strict=True))

    @property
    def tokens_per_s(self) -> float:
        """Tokens made per second."""
        return sum(self.tokens) / self.seconds if self.seconds > 0 else 0.0


def prompt_ids(form: ChatFormat, turns: Sequence[Turn], room: int) -> list[int]:
    """A prompt in at most `room` tokens.

    Raises:
        UnfitRow: The template refuses the turns, or nobody asks anything.
    """
    said = spoken(turns)
    if not said:
        raise UnfitRow("it has no prompt")
    ids = form.encode_prompt(said)
    if len(ids) <= room:
        return ids
    encoded = form.encode([*said, ("assistant", "a")])
    tail = len(encoded.ids) - encoded.answer
    fitted = fit("", replace(encoded, loss=[False] * len(encoded.ids)), room + tail, Tally())
    return [int(token) for token in fitted.ids[: len(fitted.ids) - tail]][-room:]


def generate(
    opened: OpenedModel,
    rows: Sequence[tuple[str, Sequence[Turn]]],
    *,
    max_new_tokens: int,
    batch_rows: int | None = None,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Answers:
    """Answer prompts.

    Args:
        opened: The model.
        rows: (row id, turns) that end with a question.
        max_new_tokens: Most tokens of an answer, at least 1; fewer where the context leaves less.
        batch_rows: Most prompts at a time; None = by the device.
        emit: Takes progress lines.
        cancel: Asked before each batch.

    Raises:
        PreconditionError: A row has a system turn and the template loses it.
    """
    refuse_lost_system(opened.form, rows)
    made = min(max_new_tokens, max(1, opened.context - LEAST_PROMPT))
    prompts: dict[int, list[int]] = {}
    refused = {}
    for row, (row_id, turns) in enumerate(rows):
        try:
            prompts[row] = prompt_ids(opened.form, turns, opened.context - made)
        except UnfitRow as error:
            refused[row_id] = str(error)
    texts, tokens, ended = [""] * len(rows), [0] * len(rows), [False] * len(rows)
    order, seconds, done = list(prompts), 0.0, 0
    for batch in _batches(opened, [prompts[row] for row in order], made, batch_rows):
        if cancel is not None:
            cancel.check()
        started = time.perf_counter()
        found = _answer(opened, [prompts[order[at]] for at in batch], made)
        seconds += time.perf_counter() - started
        for at, ids in zip(batch, found, strict=True):
            row = order[at]
            ended[row] = bool(ids) and ids[-1] in opened.ends
            tokens[row] = len(ids)
            texts[row] = opened.form.tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            ).strip()
        done += len(batch)
        emit(f"{done:,} of {len(order):,} prompts answered")
    return Answers(
        tuple(row_id for row_id, _ in rows), tuple(texts), tuple(tokens), tuple(ended), refused, seconds
    )  # fmt: skip


def _batches(
    opened: OpenedModel, prompts: Sequence[Sequence[int]], made: int, batch_rows: int | None
) -> list[list[int]]:
    """Batches of prompts; under prompt tuning of equal lengths only, because PEFT does not count positions there."""
    sizes = np.array([len(prompt) + made for prompt in prompts], np.int64)
    limit = BATCH_TOKENS.get(opened.device.type, BATCH_TOKENS["cpu"])
    most = batch_rows or MOST_ROWS
    out: list[list[int]] = []
    for batch in batches(sizes, limit):
        groups = [batch]
        if opened.virtual:
            groups = [[at for at in batch if sizes[at] == size] for size in sorted({int(sizes[at]) for at in batch})]
        out += [group[start : start + most] for group in groups for start in range(0, len(group), most)]
    return out


def _answer(opened: OpenedModel, prompts: Sequence[Sequence[int]], made: int) -> list[list[int]]:
    """Token ids of each answer, up to and with the one that ends it; halves what does not fit."""
    import torch

    try:
        return _batch_answers(opened, prompts, made)
    except torch.OutOfMemoryError:
        if len(prompts) == 1:
            raise
    torch.cuda.empty_cache()
    half = len(prompts) // 2
    return _answer(opened, prompts[:half], made) + _answer(opened, prompts[half:], made)


def _batch_answers(opened: OpenedModel, prompts: Sequence[Sequence[int]], made: int) -> list[list[int]]:
    import torch

    size = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), size), opened.form.tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, size - len(prompt) :] = torch.tensor(prompt)
        mask[row, size - len(prompt) :] = 1
    with torch.inference_mode(), warnings.catch_warnings():
        if opened.virtual:  # PEFT counts positions itself, and says so each time
            warnings.filterwarnings("ignore", message="Position ids are not supported")
        out = opened.model.generate(
            input_ids=ids.to(opened.device),
            attention_mask=mask.to(opened.device),
            max_new_tokens=made,
            do_sample=False,
            num_beams=1,
        )
    return [_until_end(row, opened.ends) for row in out[:, size:].tolist()]


def _until_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    at = next((n for n, token in enumerate(ids) if token in ends), len(ids) - 1)
    return ids[: at + 1]
