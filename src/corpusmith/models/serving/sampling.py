"""The next token of a row out of its logits: biases, penalties, temperature, nucleus, constraint, a draw.

A seeded draw takes one uniform number a token from the row's own generator and looks it up in the cumulated
probabilities in the order of the vocabulary, so it depends on nothing else in the batch. Nucleus sampling is that of
Holtzman et al. 2020 (arXiv:1904.09751): the smallest set of tokens whose probabilities reach `top_p`. The
penalties are OpenAI's, counted over the answer. Log probabilities are those of the model itself, before all of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from corpusmith.models.serving.contract import Sampling

F64 = npt.NDArray[np.float64]


class Senseless(ArithmeticError):  # noqa: N818 - a finding about one row
    """The model computes no numbers for this row, or allows no token."""


@dataclass(frozen=True)
class Chosen:
    """A token, its log probability and the likeliest tokens with theirs (None, () where not asked)."""

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass
class Draws:
    """What one row needs to choose its tokens.

    Attributes:
        sampling: As asked.
        number: Uniform numbers in [0, 1), one a token.
        made: How often each token was made.
        allowed: Whether a token may come next; None = any may.
    """

    sampling: Sampling
    allowed: Callable[[int], bool] | None = None
    number: np.random.Generator = field(init=False)
    made: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        seed = self.sampling.seed
        self.number = np.random.default_rng(None if seed is None else seed % 2**64)

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is all that is wanted."""
        asked = self.sampling
        touched = asked.logit_bias or asked.presence_penalty or asked.frequency_penalty
        return asked.temperature == 0 and not touched and self.allowed is None


def choose(logits: Any, rows: Sequence[Draws]) -> list[Chosen | Senseless]:
    """Choose a token for each row of logits [rows, vocabulary]; where none can be chosen, the reason."""
    logits = logits.float()
    best, highest = logits.argmax(-1).tolist(), logits.amax(-1).isfinite().tolist()
    out: list[Chosen | Senseless] = []
    for at, row in enumerate(rows):
        try:
            token = best[at] if row.plain and highest[at] else _drawn(logits[at], row)
        except Senseless as error:
            out.append(error)
            continue
        row.made[token] += 1
        top = row.sampling.top_logprobs
        out.append(Chosen(token) if top is None else told_of(torch.log_softmax(logits[at], -1), token, top))
    return out


def told_of(chances: Any, token: int, top: int) -> Chosen:
    """A token and the `top` likeliest with their log probabilities [vocabulary]."""
    found = chances.topk(min(top, len(chances)))
    return Chosen(token, float(chances[token]), tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True)))


def _drawn(logits: Any, row: Draws) -> int:
    asked = row.sampling
    scores: F64 = logits.double().cpu().numpy().copy()
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise Senseless("the model computes no numbers")
    for token, bias in asked.logit_bias.items():
        scores[token] += bias
    if asked.presence_penalty or asked.frequency_penalty:
        for token, times in row.made.items():
            scores[token] -= asked.presence_penalty + asked.frequency_penalty * times
    order = iter(_draws(scores, row) if asked.temperature else np.argsort(-scores, kind="stable").tolist())
    if row.allowed is None:
        return next(order)
    for token in order:
        if row.allowed(token):
            return token
    raise Senseless("no token may come next")


def _draws(scores: F64, row: Draws) -> Iterator[int]:
    """A drawn token; then, when that may not be, one drawn among the others, and so on: a draw from what may be."""
    asked = row.sampling
    chances = np.exp((scores - scores.max()) / asked.temperature)
    number = row.number.random()
    while (mass := chances.sum()) > 0:
        token = _looked_up(_nucleus(chances / mass, asked.top_p), number)
        yield token
        chances[token] = 0
    yield from np.argsort(-scores, kind="stable").tolist()


def _nucleus(chances: F64, top_p: float) -> F64:
    """The likeliest tokens alone."""
    if top_p >= 1:
        return chances
    order = np.argsort(-chances, kind="stable")
    kept = order[: int(np.searchsorted(np.cumsum(chances[order]), top_p)) + 1]
    out = np.zeros_like(chances)
    out[kept] = chances[kept]
    return out


def _looked_up(chances: F64, number: float) -> int:
    """The token in whose stretch of the cumulated probabilities `number` (0 to 1) lies."""
    sums = np.cumsum(chances)
    at = int(np.searchsorted(sums, number * sums[-1], side="right"))
    return min(at, int(np.flatnonzero(chances)[-1]))
