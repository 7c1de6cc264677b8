"""Draws: their shares, what bounds them, what makes them repeat."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from corpusmith.models.serving.contract import Sampling  # noqa: E402
from corpusmith.models.serving.sampling import Chosen, Draws, Senseless, choose  # noqa: E402

CHANCES = [0.5, 0.25, 0.15, 0.1]
LOGITS = np.log(CHANCES)


def drawn(sampling: Sampling, times: int = 1500, allowed: Any = None) -> list[int]:
    row = Draws(sampling, allowed)
    logits = torch.tensor(LOGITS)[None]
    return [one.id for _ in range(times) for one in choose(logits, [row]) if isinstance(one, Chosen)]


def shares(sampling: Sampling, allowed: Any = None) -> list[float]:
    found = Counter(drawn(sampling, allowed=allowed))
    return [found[token] / sum(found.values()) for token in range(4)]


def test_draws_have_their_shares() -> None:
    assert shares(Sampling(1, seed=1)) == pytest.approx(CHANCES, abs=0.05)
    hot = np.array(CHANCES) ** 0.5
    assert shares(Sampling(1, temperature=2.0, seed=2)) == pytest.approx((hot / hot.sum()).tolist(), abs=0.05)
    assert set(drawn(Sampling(1, temperature=0.0), 5)) == {0}
    assert set(drawn(Sampling(1, temperature=1e-6, seed=1), 50)) == {0}


@pytest.mark.parametrize(("top_p", "kept"), [(0.0, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.76, 3), (1.0, 4)])
def test_the_nucleus_is_the_smallest_set_that_reaches_its_mass(top_p: float, kept: int) -> None:
    found = shares(Sampling(1, top_p=top_p, seed=3))
    mass = sum(CHANCES[:kept])
    assert found == pytest.approx([c / mass if n < kept else 0 for n, c in enumerate(CHANCES)], abs=0.05)


def test_a_constraint_draws_among_what_is_allowed() -> None:
    found = shares(Sampling(1, seed=4), allowed=lambda token: token in (1, 3))
    assert found == pytest.approx([0, 0.25 / 0.35, 0, 0.1 / 0.35], abs=0.05)
    assert set(drawn(Sampling(1, temperature=0), 3, allowed=lambda token: token == 2)) == {2}
    assert set(drawn(Sampling(1, top_p=0.3, seed=1), 9, allowed=lambda token: token == 2)) == {2}


def test_seeds_repeat_and_negative_ones_too() -> None:
    assert drawn(Sampling(1, seed=5), 50) == drawn(Sampling(1, seed=5), 50)
    assert drawn(Sampling(1, seed=5), 50) != drawn(Sampling(1, seed=6), 50)
    assert drawn(Sampling(1, seed=-1), 50) == drawn(Sampling(1, seed=-1), 50)
    assert drawn(Sampling(1), 50) != drawn(Sampling(1), 50)


def test_penalties_count_what_was_made() -> None:
    assert drawn(Sampling(1, temperature=0, presence_penalty=1.0), 3) == [0, 1, 0]
    assert drawn(Sampling(1, temperature=0, frequency_penalty=2.0), 4) == [0, 1, 2, 3]
    assert drawn(Sampling(1, temperature=0, logit_bias={3: 50.0}), 2) == [3, 3]


def test_log_probabilities_are_the_models_own() -> None:
    row = Draws(Sampling(1, temperature=0, logit_bias={3: 50.0}, top_logprobs=2))
    (found,) = choose(torch.tensor(LOGITS)[None], [row])
    assert isinstance(found, Chosen)
    assert found.logprob == pytest.approx(LOGITS[3])
    assert [token for token, _ in found.top] == [0, 1]
    assert [chance for _, chance in found.top] == pytest.approx(LOGITS[:2].tolist())


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_fail_their_row_alone(wrong: float, temperature: float) -> None:
    logits = torch.tensor(np.array([LOGITS, LOGITS]))
    logits[0, 1] = wrong
    found = choose(logits, [Draws(Sampling(1, temperature=temperature)), Draws(Sampling(1, temperature=0))])
    assert isinstance(found[0], Senseless)
    assert found[1] == Chosen(0)
    nothing = choose(logits[1:], [Draws(Sampling(1, temperature=temperature), lambda token: False)])
    assert isinstance(nothing[0], Senseless)
