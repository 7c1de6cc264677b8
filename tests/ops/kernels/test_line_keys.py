from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.kernels.line_keys import letter_table, line_cell, line_spans

NONE = np.zeros(0, np.uint8)


def cell(text: str) -> int:
    raw = text.encode()
    return int(line_cell(np.frombuffer(raw or b" ", np.uint8), 0, len(raw), *letter_table()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("All rights reserved", "  ALL RIGHTS-RESERVED! 2024"),
        ("Große Straße", "GROSSE STRASSE 7"),
        ("Conﬁdential oﬀer", "confidential OFFER"),
        ("İstanbul Ülkesi", "i̇stanbul ülkesi"),
    ],
)
def test_case_digits_and_marks_make_no_other_cell(one: str, other: str) -> None:
    assert cell(one) == cell(other) >= 0


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), max_size=40))
def test_a_line_and_its_folded_form_share_a_cell(text: str) -> None:
    assert cell(text) == cell(text.casefold())


def test_spans_are_lines_outside_fences_with_wanted_cells() -> None:
    text = "First line here\n```\nfenced line here\n```\nSecond line here\nno"
    raw = np.frombuffer(text.encode(), np.uint8)
    offsets, spans = np.array([0, raw.size]), np.empty((6, 4), np.int64)
    found = line_spans(raw, offsets, *letter_table(), NONE, 100, spans)
    lines = [text[start:end] for _, start, end, _ in spans[:found].tolist()]
    assert lines == ["First line here", "Second line here"]
    wanted = np.zeros(1 << 21, np.uint8)
    wanted[spans[1, 3] >> 3] = 1 << (spans[1, 3] & 7)
    assert line_spans(raw, offsets, *letter_table(), wanted, 100, spans) == 1
    assert text[spans[0, 1] : spans[0, 2]] == "Second line here"
