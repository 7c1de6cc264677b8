from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from corpusmith.models.chat_answers import json_objects, read_answer


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    method: str
    jaccard: float = Field(gt=0, le=1)


GOOD = {"method": "minhash", "jaccard": 0.8}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=2)}\n```",
        f'I thought of {{"method": "exact"}} first, and {{this}}.\nBut: {json.dumps(GOOD)} is better.',
        f"<think>{{{{{{</think>{json.dumps(GOOD)}",
        f'{{"method": "exact", "jaccard": 0.5}} or rather {json.dumps(GOOD)}',
    ],
)
def test_object_in_text(text: str) -> None:
    assert read_answer([], [], text, Choice).value == Choice(**GOOD)


def test_tool_call_and_raw_arguments() -> None:
    assert read_answer([{"args": GOOD}], [], "", Choice).value == Choice(**GOOD)
    assert read_answer([], [f"Sure: {json.dumps(GOOD)}"], "", Choice).value == Choice(**GOOD)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"method": "minhash"}, "jaccard: Field required"),
        ({**GOOD, "jaccard": 7}, "jaccard: Input should be less than or equal to 1"),
        ({**GOOD, "extra": 1}, "extra: Extra inputs are not permitted"),
        (None, "Input should be a valid dictionary"),
    ],
)
def test_an_answer_that_does_not_fit_says_where(args: Any, said: str) -> None:
    answer = read_answer([{"args": args}], [], "", Choice)
    assert answer.value is None
    assert said in str(answer.error)


@pytest.mark.parametrize("end", [1, 3, 9, 20])
def test_a_cut_off_object_gives_nothing_of_its_inside(end: int) -> None:
    text = json.dumps({"inner": GOOD, "text": "and so on and on"})
    assert list(json_objects(text[:-end])) == []


def test_deep_and_hostile_text_ends() -> None:
    assert list(json_objects('{"a":' * 20_000)) == []
    assert list(json_objects("{" * 300_000)) == []


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_an_answer_or_an_error(text: str) -> None:
    answer = read_answer([], [text], text, Choice)
    assert (answer.value is None) != (answer.error is None)


@given(st.text(alphabet=st.characters(exclude_characters="{"), max_size=50), st.text(max_size=50))
@settings(max_examples=100, deadline=None)
def test_an_object_is_found_in_any_frame(before: str, inside: str) -> None:
    value = {"method": inside, "jaccard": 1.0}
    assert list(json_objects(before + json.dumps(value) + before)) == [value]
