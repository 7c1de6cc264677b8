from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.errors import ParameterError
from corpusmith.ops.windows import count_tokens, token_starts, window_spans

words = st.text(st.sampled_from("ab é,.\n\t  「漢字」_1"), max_size=80)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("  \n", 0), ("Don't stop.", 5), ("a_b 12,5", 4), ("日本 語", 2)]
)
def test_tokens_are_words_and_punctuation_marks(text: str, tokens: int) -> None:
    assert count_tokens(text) == len(token_starts(text)) == tokens


@settings(max_examples=80, deadline=None)
@given(text=words, window=st.integers(1, 12))
def test_windows_without_overlap_are_the_text(text: str, window: int) -> None:
    spans = list(window_spans(text, window))
    assert "".join(text[begin:end] for begin, end, _ in spans) == (text if count_tokens(text) else "")
    assert sum(n for *_, n in spans) == count_tokens(text)
    assert all(n == window for *_, n in spans[:-1])
    assert all(count_tokens(text[begin:end]) == n for begin, end, n in spans)


@settings(max_examples=80, deadline=None)
@given(text=words, window=st.integers(1, 12), data=st.data())
def test_overlapping_windows_leave_no_gap(text: str, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window))
    spans = list(window_spans(text, window, stride))
    covered = 0
    for begin, end, n in spans:
        assert begin <= covered < end
        assert count_tokens(text[begin:end]) == n <= window
        covered = end
    assert covered == (len(text) if spans else 0)


@pytest.mark.parametrize(("window", "stride"), [(0, None), (4, 0), (4, 5)])
def test_lengths_that_would_leave_gaps_are_refused(window: int, stride: int | None) -> None:
    with pytest.raises(ParameterError):
        list(window_spans("a b c", window, stride))
