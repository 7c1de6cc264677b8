"""Prompts are versioned files of the package."""

from __future__ import annotations

import pytest

from corpusmith.core.errors import NotFoundError
from corpusmith.prompts.library import prompt, prompt_texts, prompts


def test_every_prompt_has_a_text_and_a_label() -> None:
    assert {item.name for item in prompts()} >= {"planner_decide", "brief_patch"}
    assert prompt_texts() == {f"{item.name}@{item.version}": item.text for item in prompts()}
    assert all(len(item.text) > 200 for item in prompts())


def test_the_newest_version_is_taken_unless_one_is_named() -> None:
    newest = prompt("planner_decide")
    assert newest.version == max(item.version for item in prompts() if item.name == "planner_decide")
    assert prompt("planner_decide", 1).label == "planner_decide@1"


@pytest.mark.parametrize(("name", "version"), [("nothing", None), ("planner_decide", 999)])
def test_an_unknown_prompt_is_named(name: str, version: int | None) -> None:
    with pytest.raises(NotFoundError, match=name):
        prompt(name, version)
