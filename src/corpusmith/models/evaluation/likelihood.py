"""How likely a model finds what it should say: bits per byte and perplexity, row by row.

Sequences are batched by length, padded on the right, and the head runs only over positions that bear loss, a chunk of
logits at a time (as in `models.training.loss`). Sums are float64. A first token that nothing stands before (a document
under a tokenizer without BOS) cannot be predicted; it is charged as a token drawn blindly, log(vocabulary), so that
the bits of a row encode every one of its bytes under any tokenizer. Perplexity leaves it out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from corpusmith.core.tools import Cancel
from corpusmith.models.chat_format import Turn, UnfitRow
from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.evaluation.targets import Target, conversation_target, document_target, refuse_lost_system
from corpusmith.models.examples import Example

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}
"""Tokens of a batch, padding counted, by kind of device."""


@dataclass(frozen=True)
class Likelihood:
    """n rows, in the order they were given.

    Attributes:
        row_ids: n row ids.
        nll: Negative log-likelihood of the row's tokens, in nats; NaN where the model computes NaN.
        tokens: Tokens that `nll` sums over.
        opening: Nats charged for a first token that nothing stands before, else 0.
        size_bytes: UTF-8 bytes of what was scored.
        scored: Whether the row could be encoded; where not, all numbers are 0 and `refused` says why.
        refused: Row id to reason.
        seen_tokens: Tokens that went through the model, context included, padding not.
        seconds: Time that the model took.
    """

    row_ids: tuple[str, ...]
    nll: F64
    tokens: I64
    opening: F64
    size_bytes: I64
    scored: npt.NDArray[np.bool_]
    refused: dict[str, str]
    seen_tokens: int
    seconds: float

    @property
    def bits(self) -> F64:
        """Bits to encode each row."""
        return (self.nll + self.opening) / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Bits per UTF-8 byte over all scored rows; NaN when there is none."""
        size = int(self.size_bytes.sum())
        return float(self.bits.sum()) / size if size else math.nan

    @property
    def perplexity(self) -> float:
        """Exp of the mean loss per token over all scored rows; compare under one tokenizer only."""
        tokens = int(self.tokens.sum())
        mean = float(self.nll.sum()) / tokens if tokens else math.nan
        return math.exp(mean) if mean < 700 else mean * math.inf

    @property
    def tokens_per_s(self) -> float:
        """Tokens through the model per second."""
        return self.seen_tokens / self.seconds if self.seconds > 0 else 0.0


def score_conversations(
    opened: OpenedModel,
    rows: Sequence[tuple[str, Sequence[Turn]]],
    *,
    shots: int = 0,
    batch_tokens: int | None = None,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Likelihood:
    """Score the responses of conversations.

    Args:
        opened: The model.
        rows: (row id, turns) with a response at the end.
        shots: Exchanges at the beginning of each that are examples, and not scored.
        batch_tokens: Tokens of a batch; None = by the device.
        emit: Takes progress lines.
        cancel: Asked before each batch.

    Raises:
        PreconditionError: A row has a system turn and the template loses it.
    """
    refuse_lost_system(opened.form, rows)
    context = opened.context
    encode = [
        (row_id, lambda row_id=row_id, turns=turns: conversation_target(opened.form, row_id, turns, context, shots))
        for row_id, turns in rows
    ]
    return _score(opened, encode, batch_tokens, emit, cancel)


def score_documents(
    opened: OpenedModel,
    rows: Sequence[tuple[str, str]],
    *,
    batch_tokens: int | None = None,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> Likelihood:
    """Score every token of documents, given as (row id, text); the other arguments as `score_conversations`."""
    encode = [
        (row_id, lambda row_id=row_id, text=text: document_target(opened.form, row_id, text, opened.context))
        for row_id, text in rows
    ]
    return _score(opened, encode, batch_tokens, emit, cancel)


def _score(
    opened: OpenedModel,
    rows: Sequence[tuple[str, Callable[[], Target]]],
    batch_tokens: int | None,
    emit: Callable[[str], None],
    cancel: Cancel | None,
) -> Likelihood:
    refused: dict[str, str] = {}
    size_bytes, windows, owner = np.zeros(len(rows), np.int64), list[Example](), list[int]()
    for row, (row_id, encode) in enumerate(rows):
        try:
            target = encode()
        except UnfitRow as error:
            refused[row_id] = str(error)
            continue
        size_bytes[row] = target.size_bytes
        windows += target.windows
        owner += [row] * len(target.windows)
    nll, opening, tokens = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    seconds, done = 0.0, 0
    limit = batch_tokens or BATCH_TOKENS.get(opened.device.type, BATCH_TOKENS["cpu"])
    lengths = np.array([len(window.ids) for window in windows], np.int64)
    for batch in batches(lengths, limit):
        if cancel is not None:
            cancel.check()
        started = time.perf_counter()
        found = _losses(opened, [windows[at] for at in batch])
        seconds += time.perf_counter() - started
        for at, (loss, count, blind) in zip(batch, found, strict=True):
            nll[owner[at]] += loss
            tokens[owner[at]] += count
            opening[owner[at]] += blind
        done += len(batch)
        emit(f"{done:,} of {len(windows):,} sequences scored")
    return Likelihood(
        row_ids=tuple(row_id for row_id, _ in rows),
        nll=nll,
        tokens=tokens,
        opening=opening,
        size_bytes=size_bytes,
        scored=np.array([row_id not in refused for row_id, _ in rows], bool),
        refused=refused,
        seen_tokens=int(lengths.sum()),
        seconds=seconds,
    )


def batches(lengths: I64, limit: int) -> Iterator[list[int]]:
    """Indices in batches of like length, the longest first; rows x longest is at most `limit`, or one row."""
    batch: list[int] = []
    for at in np.argsort(-lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * int(lengths[batch[0]]) > limit:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def _losses(opened: OpenedModel, windows: Sequence[Example]) -> list[tuple[float, int, float]]:
    """(nats, tokens they sum over, nats charged for the first token) of each window; halves what does not fit."""
    import torch

    try:
        return _batch_losses(opened, windows)
    except torch.OutOfMemoryError:
        if len(windows) == 1:
            raise
    torch.cuda.empty_cache()
    half = len(windows) // 2
    return _losses(opened, windows[:half]) + _losses(opened, windows[half:])


def _batch_losses(opened: OpenedModel, windows: Sequence[Example]) -> list[tuple[float, int, float]]:
    import torch

    size = max(len(window.ids) for window in windows)
    pad = opened.form.tokenizer.pad_token_id
    ids = torch.full((len(windows), size), pad, dtype=torch.long)
    mask, wanted = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = torch.from_numpy(window.ids)
        mask[row, : len(window.ids)] = 1
        wanted[row, : len(window.ids)] = torch.from_numpy(window.loss)
    blind = wanted[:, 0].clone() if not opened.virtual else torch.zeros(len(windows), dtype=torch.bool)
    if not opened.virtual:
        wanted[:, 0] = False
    with torch.inference_mode():
        losses = _position_losses(opened, ids.to(opened.device), mask.to(opened.device), wanted.to(opened.device))
    sums = torch.zeros(len(windows), dtype=torch.float64)
    sums.index_add_(0, wanted.nonzero()[:, 0], losses.double().cpu())
    vocabulary = math.log(len(opened.form.tokenizer))
    counts = wanted.sum(1).tolist()
    return [
        (nats, count, vocabulary if first else 0.0)
        for nats, count, first in zip(sums.tolist(), counts, blind.tolist(), strict=True)
    ]


def _position_losses(opened: OpenedModel, ids: Any, mask: Any, wanted: Any) -> Any:
    """Loss of each wanted token, in row-major order, float32."""
    import torch

    from corpusmith.models.training.loss import CHUNK_ELEMENTS

    model = opened.model
    targets = ids[wanted]
    if opened.virtual:
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        ahead = logits[:, opened.virtual - 1 : opened.virtual - 1 + ids.shape[1]][wanted]
        return torch.nn.functional.cross_entropy(ahead.float(), targets, reduction="none")
    before = torch.zeros_like(wanted)
    before[:, :-1] = wanted[:, 1:]
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not opened.plain_head:
        logits = causal(input_ids=ids, attention_mask=mask, use_cache=False).logits[before]
        return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    hidden = causal.base_model(input_ids=ids, attention_mask=mask, use_cache=False)[0][before]
    head = causal.get_output_embeddings()
    rows = max(1, CHUNK_ELEMENTS.get(ids.device.type, CHUNK_ELEMENTS["cpu"]) // head.out_features)
    loss = torch.nn.functional.cross_entropy
    parts = [
        loss(head(hidden[at : at + rows]).float(), targets[at : at + rows], reduction="none")
        for at in range(0, len(targets), rows)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0)
