from __future__ import annotations

from corpusmith.models.evaluation.few_shot import with_shots

POOL = [(f"t{n}", [("user", f"question {n}"), ("assistant", f"answer {n}")]) for n in range(9)]
ROWS = [("a", [("system", "Be brief."), ("user", "mine"), ("assistant", "yes")]), ("b", [("user", "other")])]


def test_examples_stand_between_the_system_turn_and_the_question() -> None:
    (first, second), count = with_shots(ROWS, POOL, 3, seed=0)
    assert count == 3
    assert (first[0], second[0]) == ("a", "b")
    assert first[1][0] == ("system", "Be brief.")
    assert first[1][-2:] == [("user", "mine"), ("assistant", "yes")]
    assert len(first[1]) == 1 + 6 + 2
    assert [role for role, _ in second[1]] == ["user", "assistant"] * 3 + ["user"]
    assert all(("assistant", said.replace("question", "answer")) in first[1] for role, said in first[1][1:7:2])


def test_the_draw_follows_seed_and_row_alone() -> None:
    whole, _ = with_shots(ROWS, POOL, 3, seed=0)
    assert with_shots(ROWS[::-1], POOL, 3, seed=0)[0] == whole[::-1]
    assert with_shots(ROWS, POOL, 3, seed=1)[0] != whole


def test_what_cannot_be_an_example_is_left_out() -> None:
    pool = [
        ("a", [("user", "mine"), ("assistant", "yes")]),  # a row that is asked
        ("long", [("user", "x"), ("assistant", "y"), ("user", "z"), ("assistant", "w")]),
        ("empty", [("user", "x"), ("assistant", " ")]),
        ("good", [("system", "s"), ("user", "p"), ("assistant", "q")]),
    ]
    rows, count = with_shots(ROWS, pool, 5, seed=0)
    assert count == 1
    assert rows[1][1] == [("user", "p"), ("assistant", "q"), ("user", "other")]
    assert with_shots(ROWS, [], 5, seed=0) == ([(row, list(turns)) for row, turns in ROWS], 0)
