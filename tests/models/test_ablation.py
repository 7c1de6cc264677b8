"""One arm: the same tokens to the token, an order that data do not shift, and a model that shows what it was fed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.ablation import ArmScore, encode_arm, filled_rows, tokens_for, train_arm
from corpusmith.models.examples import Example
from corpusmith.models.tiny import TinyRecipe
from corpusmith.models.tiny_tokenizer import learn_tokenizer

SMALL = TinyRecipe(
    vocabulary=300, layers=1, width=16, inner=16, heads=2, key_heads=1, context=64, window=32, rows_per_step=4,
    epochs=4, learning_rate=1e-2,
)  # fmt: skip


def documents(sizes: list[int], first: int = 0) -> list[Example]:
    return [
        Example(f"row#{first + n}", np.full(size, first + n, np.int32), np.ones(size, bool))
        for n, size in enumerate(sizes)
    ]


def order_of(rows: list[list[int]], pieces: list[Example]) -> list[str]:
    """Row ids in the order of training, pieces of one document counted once."""
    seen = [pieces[at].row_id for row in rows for at in row]
    return [name for n, name in enumerate(seen) if n == 0 or seen[n - 1] != name]


@pytest.mark.parametrize(("sizes", "tokens"), [([5, 9, 40, 1], 64), ([100], 32), ([3, 4], 320), ([16, 16], 16)])
def test_rows_are_full_and_tokens_exact(sizes: list[int], tokens: int) -> None:
    pieces, rows = filled_rows(documents(sizes), 16, tokens, seed=0)
    assert len(rows) == tokens // 16
    assert all(sum(len(pieces[at].ids) for at in row) == 16 for row in rows)
    assert sorted(at for row in rows for at in row) == list(range(len(pieces)))
    seen = Counter[str]()
    for piece in pieces:
        seen[piece.row_id] += len(piece.ids)
    passes = [seen[f"row#{n}"] / size for n, size in enumerate(sizes)]
    assert max(passes) - min(passes) <= 1  # none comes again before all have come


def test_arms_that_share_rows_meet_them_in_like_order() -> None:
    one, two = documents([4] * 30), documents([4] * 30) + documents([4] * 30, first=30)
    short = order_of(*reversed(filled_rows(one, 16, 112, seed=5)))
    long = [name for name in order_of(*reversed(filled_rows(two, 16, 240, seed=5))) if int(name[4:]) < 30]
    assert long[: len(short)] == short
    assert order_of(*reversed(filled_rows(one, 16, 112, seed=6))) != short


def test_tokens_follow_the_smaller_arm() -> None:
    small, large = documents([50]), documents([50] * 20)
    assert tokens_for(SMALL, 10_000, small, large) == 192  # 4 passes over 50 tokens, in rows of 32
    assert tokens_for(SMALL, 100, small, large) == 96
    with pytest.raises(PreconditionError, match="does not fill one row"):
        tokens_for(SMALL, 100, documents([7]), large)


def sentences(count: int, noise: float = 0.0) -> list[str]:
    """Sentences of one grammar; the letters of a share of them are shuffled."""
    draw = random.Random(1)
    found = []
    for _ in range(count):
        text = (
            f"The {draw.choice(['red', 'old', 'big'])} {draw.choice(['fox', 'cat', 'hen'])} sees the "
            f"{draw.choice(['river', 'garden', 'market'])} and then it goes home again."
        )
        found.append("".join(draw.sample(text, len(text))) if draw.random() < noise else text)
    return found


def trained(texts: list[str], folder: Path, seed: int = 0, recipe: TinyRecipe = SMALL) -> ArmScore:
    tokenizer = learn_tokenizer(sentences(200), recipe.vocabulary, recipe.context)
    arm = encode_arm([f"row#{n}" for n in range(len(texts))], texts, tokenizer)
    holdout = [(f"held#{n}", text) for n, text in enumerate(sentences(240)[200:])]
    return train_arm(arm, holdout, tokenizer, recipe, 6400, seed, folder)


@pytest.mark.slow
def test_noise_is_told_from_text_and_the_same_seed_repeats_itself(tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(2)
    clean = trained(sentences(200), tmp_path / "work")
    noisy = trained(sentences(200, noise=0.8), tmp_path / "work")
    assert torch.get_num_threads() == 2
    assert clean.outcome.tokens == noisy.outcome.tokens == 6400
    assert clean.outcome.steps == noisy.outcome.steps == 50
    assert clean.bits.sum() / clean.size_bytes.sum() < 0.8 * noisy.bits.sum() / noisy.size_bytes.sum()
    assert np.array_equal(trained(sentences(200), tmp_path / "work").bits, clean.bits)
    assert not np.array_equal(trained(sentences(200), tmp_path / "work", seed=1).bits, clean.bits)
    assert not (tmp_path / "work").exists()
    torch.set_num_threads(1)


def test_a_training_that_breaks_down_has_no_bits(tmp_path: Path) -> None:
    broken = trained(sentences(200), tmp_path / "work", recipe=SMALL.model_copy(update={"learning_rate": 1e30}))
    assert np.isnan(broken.bits).all()
