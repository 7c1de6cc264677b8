from __future__ import annotations

from corpusmith.models.replay import draw_rows


def test_a_seeded_draw_without_repeats() -> None:
    drawn = draw_rows(100, 10, 1)
    assert drawn == draw_rows(100, 10, 1) == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn != draw_rows(100, 10, 2)


def test_all_when_there_are_fewer() -> None:
    assert draw_rows(3, 10, 0) == [0, 1, 2]
