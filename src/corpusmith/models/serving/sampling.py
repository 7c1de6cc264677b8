"""The next token of a row out of its logits: biases, penalties, temperature, nucleus, constraint, a draw.

A seeded draw takes one uniform number a token from the row's own generator and looks it up in the cumulated
probabilities in the order of the vocabulary, so it depends on nothing else in the batch. Nucleus sampling is that of
Holtzman et al. 2020 (arXiv:1904.09751): the smallest set of tokens whose probabilities reach `top_p`. The
penalties are OpenAI's, counted over the answer. Log probabilities are those of the model itself, before all of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from corpusmith.models.serving.contract import Sampling

F64 = npt.NDArray[np.float64]
COLDEST = 1e-6
"""Temperatures below are as this one: float32 holds no quotient by them."""


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


def choose(logits: Any, rows: Sequence[Draws]) -> list[Chosen | Senseless]:
    """Choose a token for each row of logits [rows, vocabulary]; where none can be chosen, the reason."""
    logits = logits.float()
    scores = _adjusted(logits, rows)
    found: list[int | Senseless] = list(scores.argmax(-1).tolist())
    for at, finite in enumerate(scores.amax(-1).isfinite().tolist()):
        if not finite:
            found[at] = Senseless("the model computes no numbers")
    sound = [at for at, token in enumerate(found) if not isinstance(token, Senseless)]
    free = [at for at in sound if rows[at].sampling.temperature and rows[at].allowed is None]
    for at, token in zip(free, _drawn(scores, free, rows), strict=True):
        found[at] = token
    for at in sound:
        if rows[at].allowed is not None:
            found[at] = _allowed(scores, at, rows)
    return [_told(logits[at], token, rows[at]) for at, token in enumerate(found)]


def _told(logits: Any, token: int | Senseless, row: Draws) -> Chosen | Senseless:
    if isinstance(token, Senseless):
        return token
    row.made[token] += 1
    top = row.sampling.top_logprobs
    return Chosen(token) if top is None else told_of(torch.log_softmax(logits, -1), token, top)


def _adjusted(logits: Any, rows: Sequence[Draws]) -> Any:
    """Logits with biases and penalties."""
    out = logits
    for at, row in enumerate(rows):
        asked, change = row.sampling, dict(row.sampling.logit_bias)
        if asked.presence_penalty or asked.frequency_penalty:
            for token, times in row.made.items():
                change[token] = change.get(token, 0) - asked.presence_penalty - asked.frequency_penalty * times
        if change:
            out = logits.clone() if out is logits else out
            which = torch.tensor(list(change), device=logits.device)
            out[at, which] += torch.tensor(list(change.values()), dtype=out.dtype, device=logits.device)
    return out


def _drawn(scores: Any, which: Sequence[int], rows: Sequence[Draws]) -> list[int]:
    """A token for each of the rows `which`, by its number's place in the cumulated probabilities."""
    if not which:
        return []
    chances = _chances(scores, which, rows)
    numbers = torch.tensor([rows[at].number.random() for at in which], dtype=torch.float64, device=chances.device)
    sums = chances.cumsum(-1, dtype=torch.float64)
    found = torch.searchsorted(sums, (numbers * sums[:, -1])[:, None], right=True)[:, 0]
    past = found == chances.shape[1]  # a number so near to 1 that it was rounded up
    picked: list[int] = torch.where(past, chances.argmax(-1), found).tolist()
    return picked


def _chances(scores: Any, which: Sequence[int], rows: Sequence[Draws]) -> Any:
    """Probabilities [rows, vocabulary], those outside the nucleus 0."""
    asked = [rows[at].sampling for at in which]
    part = scores[list(which)]
    heat = torch.tensor([max(one.temperature, COLDEST) for one in asked], dtype=part.dtype, device=part.device)
    chances = torch.softmax((part - part.amax(-1, keepdim=True)) / heat[:, None], -1)
    for n, one in enumerate(asked):
        if one.top_p < 1:
            chances[n] = _nucleus(chances[n], one.top_p)
    return chances


def _nucleus(chances: Any, top_p: float) -> Any:
    """The likeliest tokens alone; few are looked at first, since few mostly reach."""
    for size in (64, 1024, len(chances)):
        likeliest = chances.topk(min(size, len(chances)))
        sums = likeliest.values.cumsum(-1)
        if size == len(chances) or float(sums[-1]) >= top_p:
            break
    kept = likeliest.indices[: int(torch.searchsorted(sums, top_p)) + 1]
    return torch.zeros_like(chances).scatter_(0, kept, chances[kept])


def _allowed(scores: Any, at: int, rows: Sequence[Draws]) -> int | Senseless:
    """A token that the row's constraint allows: drawn again among the others, until one is."""
    row, asked = rows[at], rows[at].sampling
    assert row.allowed is not None
    if asked.temperature:
        chances: F64 = _chances(scores, [at], rows)[0].double().cpu().numpy()
        while (mass := (sums := np.cumsum(chances))[-1]) > 0:
            token = int(np.searchsorted(sums, row.number.random() * mass, side="right"))
            if token == len(chances):
                continue
            if row.allowed(token):
                return token
            chances[token] = 0
    for token in scores[at].argsort(descending=True, stable=True).tolist():
        if row.allowed(token):
            return int(token)
    return Senseless("no token may come next")


def told_of(chances: Any, token: int, top: int) -> Chosen:
    """A token and the `top` likeliest with their log probabilities [vocabulary]."""
    found = chances.topk(min(top, len(chances)))
    return Chosen(token, float(chances[token]), tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True)))
