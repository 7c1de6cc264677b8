from __future__ import annotations

import pytest

from corpusmith.ops.grading.tasks import Task, have_numbers, is_number, task_of


@pytest.mark.parametrize(
    ("references", "task"),
    [
        ([], "answers"),
        (["12", "13.5", "-7"], "number"),
        (["$1,200.50", "$3", "$ 4"], "number"),
        (["1", "5", "3", "4", "1", "2", "5", "3"], "number"),
        (["0", "1", "1", "0"], "label"),
        (["positive", "negative", "Positive", "negative."], "label"),
        (["yes", "no", "yes"], "answers"),
        (["A", "B", "C", "A", "B", "C", "D", "D"], "label"),
        (["12", "thirteen", "7"], "answers"),
        (["It is 4, so #### 4", "#### 5", "#### 6"], "answers"),
        (["a whole sentence of many words"] * 10, "answers"),
        (["yes\nno"] * 4, "answers"),
        (["yes", "", "no", "yes", "no"], "answers"),
        (["x", "y", "z"], "answers"),
        ([f"l{n % 101}" for n in range(1000)], "answers"),
        ([f"l{n % 100}" for n in range(1000)], "label"),
    ],
)
def test_the_task_of_references(references: list[str], task: Task) -> None:
    assert task_of(references) == task
    assert task_of(references[::-1]) == task


@pytest.mark.parametrize(
    "text", ["12", " -3.5 ", "+4", "1,200", "$5", "€ 5", "5 %", "5€", ".5", "\N{MINUS SIGN}2", "7."]
)
def test_bare_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", ".", "-", "%", "12 apples", "1-2", "four", "1 2", "2024-01-02"])
def test_what_is_no_bare_number(text: str) -> None:
    assert not is_number(text)


def test_have_numbers() -> None:
    assert have_numbers(["#### 4", "so 3\n#### 5", "7"])
    assert not have_numbers(["#### 4", "about 5 apples"])
    assert not have_numbers(["#### none 4 left"[:9]])
    assert not have_numbers([])
