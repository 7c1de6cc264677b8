from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import CHATML, NO_SYSTEM, byte_tokenizer

from corpusmith.core.errors import PreconditionError
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.examples import (
    NO_LOSS,
    Tally,
    encode_chats,
    encode_documents,
    encode_pairs,
    fit,
    fit_pair,
    windows,
)

FORM = ChatFormat(byte_tokenizer(CHATML))
DECODE = FORM.tokenizer.decode


def test_a_long_prompt_gives_up_its_beginning_and_the_response_stays() -> None:
    tally = Tally()
    turns = [("system", "Be kind."), ("user", "start " + "x" * 500 + " end?"), ("assistant", "Yes.")]
    [(row, encoded)] = encode_chats([("r", turns)], FORM, tally)
    example = fit(row, encoded, 60, tally)
    text = DECODE(example.ids)
    assert len(example.ids) == 60
    assert text.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nx")
    assert text.endswith("end?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>")
    assert DECODE(example.ids[example.loss]) == "Yes.<|im_end|>"
    assert (tally.truncated_prompts, tally.truncated_responses) == (1, 0)


def test_old_exchanges_go_first() -> None:
    tally = Tally()
    turns = [("system", "S"), ("user", "u" * 30), ("assistant", "one"), ("user", "why?"), ("assistant", "two")]
    [(row, encoded)] = encode_chats([("r", turns)], FORM, tally)
    text = DECODE(fit(row, encoded, len(encoded.ids) - 1, tally).ids)
    assert text == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nwhy?<|im_end|>\n<|im_start|>assistant\ntwo<|im_end|>"
    )


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=30), st.text(max_size=120), st.text(min_size=1, max_size=120).filter(str.strip),
    st.integers(8, 200), st.booleans(),
)  # fmt: skip
def test_no_example_is_all_mask_or_too_long(system: str, asked: str, said: str, length: int, twice: bool) -> None:
    tally = Tally()
    turns = [("system", system), *([("user", asked), ("assistant", said)] * (2 if twice else 1))]
    [(row, encoded)] = encode_chats([("r", turns)], FORM, tally)
    response = DECODE(encoded.ids[encoded.answer :])
    example = fit(row, encoded, length, tally)
    assert len(example.ids) <= length
    assert example.loss[1:].any()
    if not tally.truncated_responses:
        assert DECODE(example.ids).endswith(response)
        assert example.ids[-1] == FORM.tokenizer.eos_token_id
    else:
        assert len(encoded.ids) - encoded.prompt_end > length
    assert (example.labels == NO_LOSS).sum() == (~example.loss).sum()


def test_empty_responses_and_chats_without_an_answer_are_dropped_and_counted() -> None:
    tally = Tally()
    rows = [
        ("a", [("user", "q"), ("assistant", "")]), ("b", [("user", "q"), ("assistant", " \n")]),
        ("c", [("user", "q")]), ("d", [("user", ""), ("assistant", "fine")]),
    ]  # fmt: skip
    assert [row for row, _ in encode_chats(rows, FORM, tally)] == ["d"]
    assert tally.rows == 4
    assert tally.dropped == {"empty_response": 3}
    assert tally.gone == [("a", "empty_response"), ("b", "empty_response"), ("c", "empty_response")]


def test_a_template_that_loses_the_system_turn_is_refused_only_when_rows_have_one() -> None:
    form = ChatFormat(byte_tokenizer(NO_SYSTEM, "<|endoftext|>", "<s>"))
    assert list(encode_chats([("a", [("user", "q"), ("assistant", "x")])], form, Tally()))
    with pytest.raises(PreconditionError, match="loses the system turn, and row b"):
        list(encode_chats([("b", [("system", "S"), ("user", "q"), ("assistant", "x")])], form, Tally()))


@given(st.text(min_size=1, max_size=300).filter(str.strip), st.integers(8, 40))
def test_a_document_loses_no_token(text: str, length: int) -> None:
    tally = Tally()
    [whole] = encode_documents([("d", text)], FORM, tally)
    parts = list(windows(whole, length))
    ids = [token for part in parts for token in part.ids]
    assert ids == list(whole.ids)
    assert DECODE(ids) == text + "<|im_end|>"
    assert all(len(part.ids) <= length and part.loss.all() for part in parts)


def test_documents_get_bos_where_the_tokenizer_has_it_and_blank_ones_go() -> None:
    form, tally = ChatFormat(byte_tokenizer(None, "<|endoftext|>", "<s>")), Tally()
    [found] = encode_documents([("d", "<|endoftext|> word"), ("e", " ")], form, tally)
    assert found.ids[0] == form.tokenizer.bos_token_id
    assert list(found.ids).count(form.tokenizer.eos_token_id) == 1
    assert tally.dropped == {"empty_document": 1}


def test_pairs() -> None:
    tally = Tally()
    rows = [("a", "q", "good", "bad"), ("b", "q", "same", "same "), ("c", "q", "x", "")]
    [pair] = encode_pairs(rows, FORM, tally)
    assert DECODE(pair.prompt) == "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
    assert DECODE(pair.chosen) == "good<|im_end|>"
    assert DECODE(pair.rejected) == "bad<|im_end|>"
    assert tally.dropped == {"chosen_is_rejected": 1, "empty_response": 1}


def test_a_long_pair_is_fitted_and_one_that_is_then_the_same_is_dropped() -> None:
    tally = Tally()
    rows = [("a", "p" * 200, "good", "bad"), ("b", "q", "z" * 100 + "a", "z" * 100 + "b")]
    first, second = encode_pairs(rows, FORM, tally)
    fitted = fit_pair(first, 40, tally)
    assert fitted is not None
    assert len(fitted) <= 40
    assert DECODE(fitted.chosen) == "good<|im_end|>"
    assert DECODE(fitted.prompt).endswith("p<|im_end|>\n<|im_start|>assistant\n")
    assert fit_pair(second, 40, tally) is None
    assert tally.dropped["same_when_cut"] == 1
