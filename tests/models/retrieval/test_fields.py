from __future__ import annotations

import json
from typing import Any

import pytest

from corpusmith.models.retrieval.dates import date_number, date_text, span_of
from corpusmith.models.retrieval.fields import FieldFinder


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("2024-07-29", 20240729),
        ("2024-07-29T10:00:00Z", 20240729),
        ("2024/7/9", 20240709),
        ("2024-07", 20240700),
        ("2024", 20240000),
        (2024, 20240000),
        ("20240729", 20240729),
        (1722243600, 20240729),
        (1722243600000, 20240729),
        ("Mon, 29 Jul 2024 09:00:00 GMT", 20240729),
        ("last week", None),
        ("", None),
        (None, None),
        (True, None),
        (7, None),
        ("2024-13-01", None),
    ],
)
def test_dates_as_rows_write_them(given: Any, number: int | None) -> None:
    assert date_number(given) == number


def test_a_month_and_a_year_are_spans() -> None:
    assert span_of("2024-07") == (20240700, 20240799)
    assert span_of("2024") == (20240000, 20249999)
    assert [date_text(n) for n in (20240729, 20240700, 20240000)] == ["2024-07-29", "2024-07", "2024"]


def read(finder: FieldFinder, meta: dict[str, Any]) -> Any:
    return finder.read(json.dumps(meta), "folder/file.json")


def test_fields_are_found_by_their_names_at_any_depth() -> None:
    finder = FieldFinder()
    about = read(
        finder,
        {
            "content": {"Title": " A  title "},
            "author_full_name": "Ann Lee",
            "link": "https://www.x.org/a",
            "created_at": "2023",
        },
    )
    assert (about.title, about.url) == ("A title", "https://www.x.org/a")
    assert about.filters == {"author": "Ann Lee", "platform": "x.org", "date": 20230000}
    found = finder.fields()
    assert found["author"].values == {"Ann Lee": 1}
    assert (found["date"].low, found["date"].high, found["date"].path) == (20230000, 20230000, "created_at")


def test_a_row_that_says_nothing_is_called_after_its_file() -> None:
    about = read(FieldFinder(), {"title": None, "author": ""})
    assert (about.title, dict(about.filters)) == ("file.json", {})


def test_the_caller_names_fields_and_adds_own() -> None:
    finder = FieldFinder({"author": "who", "team": "org.team"})
    about = read(finder, {"who": "Bo", "author": "ignored", "org": {"team": "red"}})
    assert about.filters == {"author": "Bo", "team": "red"}
    assert sorted(finder.fields()) == ["author", "team"]


def test_what_nearly_every_row_has_of_its_own_is_no_filter() -> None:
    finder = FieldFinder()
    for n in range(2100):
        read(finder, {"author": f"person {n}"})
    assert finder.fields() == {}
