"""What to train next: named moves, each with its source, the sign it answers to, and its known harm.

The first trial of a base is its default. Where several were asked for, a seeded draw over learning rate, rank and
passes follows; where one was asked for and it does not beat its base, the sign it left behind (a loss that is no
number, a holdout loss that rose, that still fell, that hardly moved) chooses the move, at most `RECOVERIES` times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from corpusmith.agent.modelling.work import ModelWork, Setting, Trial
from corpusmith.core.brief import TrainingWish

RECOVERIES = 2
"""Moves beyond the trials asked for, while no trial beats its base."""

RANKED = ("lora", "dora", "qlora")
"""Adapters that have a rank."""

STALE = 0.01
"""A holdout loss that moved by less than this share has hardly moved."""


@dataclass(frozen=True)
class Move:
    """One way to go on.

    Attributes:
        name: How decisions name it.
        source: Paper or rule.
        sign: What asks for it.
        harm: When it hurts.
    """

    name: str
    source: str
    sign: str
    harm: str


DEFAULT = Move("default-setting", "LoRA Without Regret; TRL", "the first of a base", "none known")
DRAWN = Move(
    "random-search",
    "Bergstra & Bengio 2012",
    "several trials were asked for",
    "the best of many on a small validation split is partly luck",
)
LOWER_RATE = Move("lower-rate", "house", "the loss is no number, or rose", "needs more steps")
HIGHER_RATE = Move("higher-rate", "house", "the holdout loss hardly moves", "may diverge")
MORE_PASSES = Move(
    "more-passes",
    "DCS: up to four passes are nearly free",
    "the holdout loss still falls at the end",
    "memorises repeated rows",
)
FEWER_PASSES = Move(
    "fewer-passes",
    "Prechelt 1998, early stopping",
    "the holdout loss rises before the end",
    "stops before rare rows are learnt",
)
HIGHER_RANK = Move(
    "higher-rank", "Hu et al. 2021", "passes and rate were tried", "more weights than a small set can settle"
)

MOVES = {move.name: move for move in (DEFAULT, DRAWN, LOWER_RATE, HIGHER_RATE, MORE_PASSES, FEWER_PASSES, HIGHER_RANK)}


@dataclass(frozen=True)
class Step:
    """A move with the setting it leads to and why."""

    move: Move
    setting: Setting
    why: str


def settings_of(wish: TrainingWish) -> list[Setting]:
    """The default setting of each base."""
    return [
        Setting(
            base=base,
            adapter="hosted" if wish.hosted else wish.adapter,
            rank=wish.rank,
            learning_rate=wish.learning_rate,
            epochs=wish.epochs,
            max_steps=wish.max_steps,
            sequence_length=wish.sequence_length,
        )
        for base in wish.bases
    ]


def next_step(work: ModelWork, wish: TrainingWish, seed: int) -> Step | None:
    """The next training, or None when enough was tried."""
    tried = {trial.setting for trial in work.trials}
    for setting in settings_of(wish):
        if setting not in tried:
            why = "its defaults" if len(wish.bases) == 1 else f"{setting.base} with its defaults, to compare the bases"
            return Step(DEFAULT, setting, why)
    if wish.hosted:  # each costs money, and rate and rank are the provider's
        return None
    best = work.chosen
    drawn = sum(trial.move == DRAWN.name for trial in work.trials)
    if drawn + len(wish.bases) < wish.trials and best is not None:
        for setting in drawn_settings(best, wish, seed):
            if setting not in tried:
                return Step(DRAWN, setting, f"trial {drawn + len(wish.bases) + 1} of {wish.trials} asked for")
    recoveries = sum(trial.move not in (DEFAULT.name, DRAWN.name) for trial in work.trials)
    if recoveries >= RECOVERIES or any(trial.beats_base for trial in work.trials):
        return None
    return next((step for step in _recoveries(work.trials[-1], wish) if step.setting not in tried), None)


def drawn_settings(best: Trial, wish: TrainingWish, seed: int) -> Iterator[Setting]:
    """The grid around the best trial's base in a seeded order; what the person fixed stays."""
    rate, rank, epochs = best.learning_rate or 2e-4, best.rank or 16, best.epochs or 1.0
    rates = [wish.learning_rate] if wish.learning_rate else [rate / 3, rate, rate * 3]
    ranks = (
        [wish.rank] if wish.rank or wish.adapter not in ("lora", "dora", "qlora") else [rank // 2 or 1, rank, 2 * rank]
    )
    passes = [wish.epochs] if wish.epochs or wish.max_steps else [epochs, 2 * epochs, 3 * epochs]
    grid = list(product(rates, ranks, passes))
    for at in np.random.default_rng([seed, 0x5EA2C4]).permutation(len(grid)):
        chosen_rate, chosen_rank, chosen_passes = grid[at]
        yield best.setting.model_copy(
            update={"learning_rate": chosen_rate, "rank": chosen_rank, "epochs": chosen_passes}
        )


def _recoveries(last: Trial, wish: TrainingWish) -> Iterator[Step]:
    """What the last trial's signs ask for, most telling first. A setting that the person fixed is left alone."""
    free_rate, free_passes = wish.learning_rate is None, wish.epochs is None and wish.max_steps is None
    rate, epochs, rank = last.learning_rate, last.epochs, last.rank
    low, final = _lowest(last.curve), last.curve[-1] if last.curve else None
    first = last.curve[0] if last.curve else None
    if last.nan:
        if free_rate and rate:
            yield Step(LOWER_RATE, _with(last, learning_rate=rate / 10), "the loss became no number")
        return
    if low and final and final[1] > low[1] * (1 + STALE):
        share = low[0] / final[0]
        if free_passes and epochs:
            why = f"the holdout loss rose from {low[1]:.4f} at step {low[0]} to {final[1]:.4f}"
            yield Step(FEWER_PASSES, _with(last, epochs=max(0.1, round(epochs * share, 2))), why)
        if free_rate and rate:
            yield Step(LOWER_RATE, _with(last, learning_rate=rate / 3), "the holdout loss rose")
    if first and final and final[1] > first[1] * (1 - STALE) and free_rate and rate:
        yield Step(HIGHER_RATE, _with(last, learning_rate=rate * 3), "the holdout loss hardly moved")
    if free_passes and epochs:
        yield Step(MORE_PASSES, _with(last, epochs=2 * epochs), "the holdout loss still fell at the end")
    if wish.rank is None and rank and last.setting.adapter in RANKED:
        yield Step(HIGHER_RANK, _with(last, rank=2 * rank), "passes and rate were tried")


def _with(trial: Trial, **changes: float) -> Setting:
    return trial.setting.model_copy(update=changes)


def _lowest(curve: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    return min(curve, key=lambda point: point[1]) if curve else None
