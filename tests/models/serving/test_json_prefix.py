"""The constraint of JSON answers against the json module."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.models.serving.json_prefix import JsonPrefix

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_every_object_may_be_written_and_is_done_at_its_end(value: Any, indent: int | None, ascii_only: bool) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    state: JsonPrefix | None = JsonPrefix()
    for at in range(len(raw)):
        assert state is not None
        assert state.at != "done"
        state = state.fed(raw[at : at + 1])
    assert state is not None
    assert state.at == "done"
    assert state.fed(b" ") is None


@given(st.lists(st.sampled_from(list('{}[]",:0-1.eE+ \\unaltruefs')), max_size=12), OBJECTS)
def test_what_is_accepted_to_the_end_is_an_object(noise: list[str], value: Any) -> None:
    whole = json.dumps(value)
    middle = len(whole) // 2
    for text in ("".join(noise), "{" + "".join(noise), whole[:middle] + "".join(noise) + whole[middle:]):
        state = JsonPrefix().fed(text.encode())
        if state is not None and state.at == "done":
            assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "text",
    ["[", '"', "1", "{]", "{1", '{"a" 1', '{"a":}', '{"a":1,}', '{"a":01', '{"a":+', '{"a":1.}', '{"a":nul1',
     '{"a":"\n', '{"a":"\\x', '{"a":"\\u12g', '{"a":[1,]', "{" + " " * 17, "{}{", '{"a":' + "[" * 80],
)  # fmt: skip
def test_what_can_be_no_object_is_refused(text: str) -> None:
    assert JsonPrefix().fed(text.encode()) is None


@pytest.mark.parametrize("raw", [b'{"\xff', b'{"\xc3"', b'{"\xe2\x82"', b'{"\x80'])
def test_bytes_that_are_no_text_are_refused(raw: bytes) -> None:
    assert JsonPrefix().fed(raw) is None
