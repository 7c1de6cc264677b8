"""What a model says of whole sequences: log probabilities of a prompt's own tokens, and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from corpusmith.models.serving.batch import Forward
from corpusmith.models.serving.sampling import Chosen, told_of

CHUNK = 256
"""Positions whose log probabilities are in memory at a time."""


def prompt_chances(forward: Forward, prompts: Sequence[Sequence[int]], top: int) -> list[list[Chosen | None]]:
    """Each token of each prompt with its log probability; None for a first token that nothing stands before.

    As `models.evaluation.likelihood` computes them; under a learned prompt the first token has one too.
    """
    opened, led = forward.opened, bool(forward.opened.virtual)
    if not opened.plain_head:  # all logits at once: a prompt at a time
        return [_row_chances(forward([prompt], keep=None)[0], None, prompt, led, top) for prompt in prompts]
    whole, head = forward(prompts, hidden=True), forward.causal.get_output_embeddings()
    return [_row_chances(whole[row], head, prompt, led, top) for row, prompt in enumerate(prompts)]


def _row_chances(states: Any, head: Any, prompt: Sequence[int], led: bool, top: int) -> list[Chosen | None]:
    out: list[Chosen | None] = [] if led else [None]
    wanted = list(prompt) if led else list(prompt[1:])
    states = states[len(states) - 1 - len(wanted) : len(states) - 1]
    for start in range(0, len(wanted), CHUNK):
        part = states[start : start + CHUNK]
        chances = torch.log_softmax((part if head is None else head(part)).float(), -1).cpu()
        out += [told_of(row, token, top) for row, token in zip(chances, wanted[start : start + CHUNK], strict=True)]
    return out


def embeddings(forward: Forward, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
    """The mean of each prompt's last hidden states, a learned prompt's left out, of unit length."""
    states = forward(prompts, hidden=True).float()
    means = torch.stack([row[-len(prompt) :].mean(0) for row, prompt in zip(states, prompts, strict=True)])
    found: list[list[float]] = torch.nn.functional.normalize(means, dim=-1).tolist()
    return found
