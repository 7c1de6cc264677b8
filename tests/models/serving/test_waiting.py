"""Who is read next: the oldest, a turn's worth, with room for what the answers may come to hold."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.models.serving.contract import Sampling

pytest.importorskip("torch")

from corpusmith.models.serving.jobs import Answering, EngineLimits
from corpusmith.models.serving.sampling import Draws
from corpusmith.models.serving.waiting import WaitingLine


def row(tokens: int, made: int = 10) -> Answering:
    nothing: Any = None
    return Answering([1] * tokens, Draws(Sampling(made)), nothing, nothing)


def line(*tokens: int, turn: int = 100, in_parts: bool = True, **limits: Any) -> WaitingLine:
    made = WaitingLine(EngineLimits(**limits), turn, in_parts=in_parts)
    for size in tokens:
        made.add(row(size))
    return made


def sizes(taken: tuple[list[Answering], Answering | None]) -> tuple[list[int], int | None]:
    new, long = taken
    return [len(one.ids) for one in new], len(long.ids) if long else None


def test_a_turn_is_read_at_a_time_oldest_first() -> None:
    waiting = line(40, 50, 20, 5, 100, 1)
    assert sizes(waiting.take([], None)) == ([40, 50], None)
    assert sizes(waiting.take([], None)) == ([20, 5], None)
    assert sizes(waiting.take([], None)) == ([100], None)
    assert sizes(waiting.take([], None)) == ([1], None)
    assert sizes(waiting.take([], None)) == ([], None)


def test_a_long_prompt_is_begun_and_others_pass_the_next_one() -> None:
    waiting = line(30, 400, 20, 300, 60, 10)
    new, long = waiting.take([], None)
    assert sizes((new, long)) == ([30, 20], 400)  # 300 lets others pass; 60 is too much for this turn
    assert sizes(waiting.take(new, long)) == ([60], None)  # half of the turn, but one at least
    assert sizes(waiting.take(new, long)) == ([10], None)
    assert sizes(waiting.take(new, None)) == ([], 300)
    assert len(waiting) == 0


def test_where_prompts_cannot_be_read_in_parts_a_long_one_is_read_whole() -> None:
    waiting = line(400, 20, in_parts=False)
    assert sizes(waiting.take([], None)) == ([400], None)
    assert sizes(waiting.take([], None)) == ([20], None)


def test_no_more_rows_than_may_be_there() -> None:
    waiting = line(10, 10, 10, 10, rows=3)
    new, _ = waiting.take([row(5)], None)
    assert len(new) == 2
    assert sizes(waiting.take([row(5), *new], None)) == ([], None)
    waiting = line(10, rows=2)
    assert sizes(waiting.take([row(5)], row(500))) == ([], None)  # one that is being read has its place


def test_no_more_tokens_than_may_be_held_but_one_answer_always() -> None:
    waiting = line(90, 10, 190, 10, cells=200)
    assert sizes(waiting.take([], None)) == ([90, 10], None)  # 2 x 100
    assert sizes(waiting.take([row(10)], None)) == ([], None)  # the oldest is waited for; nobody passes it
    assert sizes(waiting.take([], None)) == ([], 190)


def test_those_who_hung_up_are_not_read() -> None:
    waiting = line(10, 20)
    gone = row(5)
    gone.gone = True
    waiting.add(gone)
    assert sizes(waiting.take([], None)) == ([10, 20], None)
    assert len(waiting) == 0
