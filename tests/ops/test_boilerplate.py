from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pytest

from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.ops import boilerplate
from corpusmith.ops.boilerplate import Boilerplate, CountBoilerplate, StripBoilerplate, find_boilerplate
from corpusmith.ops.line_forms import Kind, line_form

FOOTER = "Ready for more? Subscribe to the letter of 2024."


def articles(count: int = 40) -> list[str]:
    texts = []
    for n in range(count):
        year = f"Subscribe to the letter of {2000 + n}."
        body = (
            f"Article {n} tells of thing {n * 7} and nothing else.\n\nNew in version 3.{n}.\n\nExample:\n\n    go\n}}"
        )
        texts.append(f"Skip to content\n\n{body}\n\nReady for more? {year}" if n % 2 else body)
    return texts


@pytest.fixture
def engine() -> Any:
    local = LocalEngine(workers=1)
    yield local
    local.close()


@pytest.mark.parametrize("part_rows", [None, 7])
def test_repeated_lines_are_found_counted_and_stripped(make_dataset: Any, engine: Any, part_rows: int | None) -> None:
    data = make_dataset(articles(), part_rows=part_rows)
    found = find_boilerplate(data, engine)
    assert found.forms == {"skip to content", "ready for more? subscribe to the letter of 0."}
    found = pickle.loads(pickle.dumps(found))
    table = data.table()
    counts = np.asarray(CountBoilerplate(found).apply(table).column("boilerplate_lines"))
    assert counts.tolist() == [0, 2] * 20
    stripped = StripBoilerplate(found).apply(table)
    assert stripped.column("text").to_pylist()[1].startswith("Article 1 tells")
    assert np.asarray(stripped.column("_changed:boilerplate")).tolist() == [0, 2] * 20
    assert not np.asarray(CountBoilerplate(found).apply(stripped).column("boilerplate_lines")).any()


def test_lines_are_frequent_however_they_are_counted(make_dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = boilerplate._RoughFold()
    batches = list(make_dataset(articles()).batches(rows=9))
    few = functools.reduce(fold.merge, map(fold.fold, batches), fold.initial())
    monkeypatch.setattr(boilerplate, "_MOST_CELLS", 3)
    many = functools.reduce(fold.merge, map(fold.fold, batches), fold.initial())
    assert few.counts is None
    assert many.counts is not None
    for least in (2, 20, 21, 0xFFFF):
        assert (few.frequent(least) == many.frequent(least)).all()
    assert not fold.initial().frequent(2).any()


def test_row_of_nothing_but_boilerplate_becomes_empty(make_dataset: Any, engine: Any) -> None:
    data = make_dataset([*articles(), "Skip to content\n\nReady for more? Subscribe to the letter of 1999."])
    out = StripBoilerplate(find_boilerplate(data, engine)).apply(data.table())
    assert out.column("text").to_pylist()[-1] == ""


def test_share_is_of_a_group_and_a_small_group_has_none(make_dataset: Any, engine: Any) -> None:
    rows = [{"text": f"Story {n} of {n} kinds.\n{FOOTER}", "meta": '{"link": "https://a.org/x"}'} for n in range(10)]
    rows += [
        {"text": f"Another tale {n} from {n} elsewhere.", "meta": '{"link": "https://b.org/y"}'} for n in range(200)
    ]
    found = find_boilerplate(make_dataset(rows), engine)
    assert {group for group, _ in found.lines} == {"h:a.org"}, found.lines
    assert find_boilerplate(make_dataset(rows[:5]), engine) == Boilerplate()


def test_repeated_prompts_are_no_boilerplate(make_dataset: Any, engine: Any) -> None:
    rows = [{"instruction": "Summarise the following article:", "input": "", "output": str(n)} for n in range(30)]
    assert find_boilerplate(make_dataset(rows, shape=Shape.INSTRUCTION), engine) == Boilerplate()


@pytest.mark.parametrize(
    "line",
    [
        "}", "Parameters", "Example:", "import numpy as np", "    indented code of a sample", "New in version 3.7.",
        "def load(self, path):", "x = compute(the, value)", "| a table row | with words |", "Returns the value of it",
        "* * *", "",
    ],
)  # fmt: skip
def test_structure_and_code_are_never_boilerplate(line: str) -> None:
    known = line_form(line)
    assert known is None or known[1] is Kind.HEADING


def test_normal_form_sets_digits_case_and_space_aside() -> None:
    assert line_form("© 2024  The Owner of 12 Things") == line_form("© 1999 the owner of 7 things ")
