"""One arm of an ablation: a small model trained from nothing on so many tokens of some documents, and what it makes of
others.

Every arm gets the same number of tokens, to the token, in rows of one length, so steps and schedule are the same too:
documents are laid end to end (BOS, text, EOS), cut where a row is full, attention kept inside each. The order is drawn
by seed and row id, so two arms that share rows meet them in like order under one seed, and differ only where the data
do. Documents that are used up come again in another order; `tokens_for` says how often that may be.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.evaluation.likelihood import score_documents
from corpusmith.models.evaluation.opened import open_folder
from corpusmith.models.examples import Example, Tally, encode_documents
from corpusmith.models.prepared import write_packed
from corpusmith.models.tiny import TinyRecipe, write_untrained
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import AdapterSettings, Schedule, TrainOutcome, TrainSpec


@dataclass(frozen=True)
class ArmScore:
    """What came of one training.

    Attributes:
        outcome: The training.
        passes: How often it saw its documents.
        bits: Bits for each document of the holdout, EOS counted; NaN when the training broke down.
        size_bytes: UTF-8 bytes of each.
    """

    outcome: TrainOutcome
    passes: float
    bits: npt.NDArray[np.float64]
    size_bytes: npt.NDArray[np.int64]


def encode_arm(row_ids: Sequence[str], texts: Sequence[str], tokenizer: Any) -> list[Example]:
    """Documents as token ids, BOS and EOS included; blank ones are left out."""
    return list(encode_documents(zip(row_ids, texts, strict=True), ChatFormat(tokenizer), Tally()))


def tokens_for(recipe: TinyRecipe, wanted: int, *arms: Sequence[Example]) -> int:
    """Training tokens of every arm: `wanted`, but at most `recipe.epochs` passes over the smallest arm; whole rows.

    Repeated text teaches nearly as much as new text for about four passes (Muennighoff et al. 2023, "Scaling
    data-constrained language models"); beyond, an arm would be judged by what it does not hold.

    Raises:
        PreconditionError: An arm does not fill one row.
    """
    least = min(sum(len(one.ids) for one in arm) for arm in arms)
    rows = int(min(wanted, recipe.epochs * least)) // recipe.window
    if not rows:
        raise PreconditionError(
            f"an arm of {least} tokens does not fill one row of {recipe.window}", hint="Give more data."
        )
    return rows * recipe.window


def train_arm(
    documents: Sequence[Example],
    holdout: Sequence[tuple[str, str]],
    tokenizer: Any,
    recipe: TinyRecipe,
    tokens: int,
    seed: int,
    folder: Path,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> ArmScore:
    """Train a model from nothing and score the holdout.

    Args:
        documents: From `encode_arm`.
        holdout: (row id, text) of what it is measured on.
        tokenizer: The one that all arms share.
        recipe: Shape and schedule; `epochs` is not looked at here.
        tokens: Tokens to train on, a multiple of `recipe.window` (`tokens_for`).
        seed: Of the weights and of the order.
        folder: To work in, absolute; made anew, removed at the end.
        emit: Takes progress lines.
        cancel: Asked after each step and before each batch of the holdout.

    Raises:
        PreconditionError: The extra `train` is missing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    start, data = folder / "start", folder / "documents.parquet"
    start.mkdir(parents=True)
    write_untrained(start, tokenizer, recipe, seed)
    pieces, rows = filled_rows(documents, recipe.window, tokens, seed)
    write_packed(data, pieces, rows)
    spec = TrainSpec(
        method="pretrain",
        model=str(start),
        data=str(data),
        output=str(folder / "training"),
        adapter=AdapterSettings(kind="none"),
        schedule=Schedule(
            learning_rate=recipe.learning_rate,
            epochs=1.0,
            batch_tokens=recipe.window * recipe.rows_per_step,
            weight_decay=recipe.weight_decay,
        ),
        sequence_length=recipe.window,
        rows_per_step=recipe.rows_per_step,
        seed=seed,
        checkpoint_every=1_000_000,
        dtype="float32",
        run_name="ablation",
    )
    with one_thread():
        outcome = train(spec, emit=emit, cancel=cancel)
        found = score_documents(open_folder(Path(outcome.final), context=recipe.window), holdout, cancel=cancel)
    shutil.rmtree(folder, ignore_errors=True)
    broke = not np.isfinite(outcome.loss)
    bits = np.full(len(holdout), np.nan) if broke else found.bits
    return ArmScore(outcome, tokens / sum(len(one.ids) for one in documents), bits, found.size_bytes)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread within."""
    torch: Any = import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def filled_rows(
    documents: Sequence[Example], window: int, tokens: int, seed: int
) -> tuple[list[Example], list[list[int]]]:
    """Cut the endless stream of documents into `tokens / window` full rows.

    Returns:
        Pieces of documents, and the rows as indices into them, in training order.
    """
    pieces: list[Example] = []
    rows: list[list[int]] = [[]]
    stream, free = _endless(documents, seed), window
    while True:
        document, at = next(stream), 0
        while at < len(document.ids):
            end = min(len(document.ids), at + free)
            rows[-1].append(len(pieces))
            pieces.append(Example(document.row_id, document.ids[at:end], document.loss[at:end]))
            free -= end - at
            at = end
            if not free:
                if len(rows) * window >= tokens:
                    return pieces, rows
                rows.append([])
                free = window


def _endless(documents: Sequence[Example], seed: int) -> Iterator[Example]:
    number = 0
    while True:
        salt = f"{seed}:{number}:"
        yield from sorted(documents, key=lambda one: xxhash.xxh3_64_intdigest(f"{salt}{one.row_id}".encode()))
        number += 1
