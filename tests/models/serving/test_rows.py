"""The cache of a running batch against lists of each row's own keys."""

from __future__ import annotations

import random
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers.cache_utils import DynamicCache  # noqa: E402

from corpusmith.models.serving.rows import Rows  # noqa: E402

LAYERS = ((2, 3, 5), (1, 4, 4))  # heads, size of keys, size of values


def filled(rows: list[int], numbers: list[float]) -> Any:
    """A cache with rows of these lengths, flush right, each of one number; padding is garbage."""
    cache: Any = DynamicCache()
    for at, (heads, keys, values) in enumerate(LAYERS):
        made = [torch.full((len(rows), heads, max(rows), size), float("nan")) for size in (keys, values)]
        for states in made:
            for row, (length, number) in enumerate(zip(rows, numbers, strict=True)):
                states[row, :, max(rows) - length :] = number
        cache.update(*made, at)
    return cache


def stepped(rows: Rows, numbers: list[float]) -> list[Any]:
    """One more column of each row's number; keys and values of the last layer as the model sees them."""
    rows.make_room()
    seen: list[Any] = []
    for at, (heads, keys, values) in enumerate(LAYERS):
        new = [torch.tensor(numbers)[:, None, None, None].expand(-1, heads, 1, size) for size in (keys, values)]
        seen = list(rows.cache.update(*new, at))
    rows.stepped()
    return seen


@pytest.mark.parametrize("seed", range(8))
def test_rows_join_grow_and_leave(seed: int) -> None:
    rng, rows = random.Random(seed), Rows()
    there: list[tuple[float, int]] = []  # (number, tokens)
    for turn in range(120):
        if rng.random() < 0.15 or not there:
            lengths = [rng.randrange(1, 30) for _ in range(rng.randrange(1, 4))]
            numbers = [float(turn * 10 + n + 1) for n in range(len(lengths))]
            rows.join(filled(lengths, numbers), lengths)
            there += zip(numbers, lengths, strict=True)
        if rng.random() < 0.15:
            at = rng.randrange(len(there))
            rows.leave(at)
            there[at] = there[-1]
            there.pop()
        if not there:
            continue
        seen = stepped(rows, [number for number, _ in there])
        there = [(number, length + 1) for number, length in there]
        assert rows.lengths == [length for _, length in there]
        for states in seen:
            assert states.shape[0] == len(there)
            assert states.shape[2] == max(rows.lengths)
            for row, (number, length) in enumerate(there):
                assert (states[row, :, -length:] == number).all()


def test_what_a_row_left_behind_cannot_reach_the_next() -> None:
    rows = Rows()
    rows.join(filled([4, 9], [1.0, float("nan")]), [4, 9])
    stepped(rows, [1.0, float("nan")])
    rows.leave(1)
    rows.join(filled([2], [3.0]), [2])
    stepped(rows, [1.0, 3.0])
    rows.join(filled([12], [4.0]), [12])
    keys, values = stepped(rows, [1.0, 3.0, 4.0])
    assert keys.isfinite().all()
    assert values.isfinite().all()


def test_prompts_of_like_length_are_read_together() -> None:
    from corpusmith.models.serving.batch import alike

    def runs(*sizes: int) -> list[list[int]]:
        return alike(sizes, lambda size: size)

    assert runs(66, 51, 50, 38, 38, 25, 25, 13) == [[66, 51, 50], [38, 38, 25, 25], [13]]
    assert runs(13, 25, 25, 38, 38, 50, 51, 66) == [[13], [25, 25, 38, 38], [50, 51, 66]]
    assert runs(2000, 20) == [[2000], [20]]
    assert runs() == []
