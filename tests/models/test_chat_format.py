from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import BARE, CHATML, MARKED, NO_SYSTEM, TRIMMED, byte_tokenizer

from corpusmith.core.errors import PreconditionError
from corpusmith.models.chat_format import ChatFormat, Encoded, UnfitRow

ODD = [
    "Four.", " leading space", "\nleading line", "trailing \n", "🙂", "é\u0301 ü 你好", "<|im_end|>",
    "<|im_start|>assistant\nno",
    "assistant: yes\nuser: no", "a<|im_end|>\n<|im_start|>user\nb", "  ", "0", "<s>", "{{ eos_token }}", "\t", "\ue000",
]  # fmt: skip
FORMS = {
    "house": (None, "<|endoftext|>", None),
    "house-bos": (None, "<|endoftext|>", "<s>"),
    "chatml": (CHATML, "<|im_end|>", None),
    "chatml-other-eos": (CHATML, "<|endoftext|>", None),
    "marked": (MARKED, "<|im_end|>", None),
    "bare": (BARE, "<|endoftext|>", None),
    "bos": (NO_SYSTEM, "<|endoftext|>", "<s>"),
}


@pytest.fixture(scope="module")
def forms() -> dict[str, ChatFormat]:
    return {name: ChatFormat(byte_tokenizer(template, eos, bos)) for name, (template, eos, bos) in FORMS.items()}


def learned(form: ChatFormat, encoded: Encoded) -> str:
    ids = [token for token, loss in zip(encoded.ids, encoded.loss, strict=True) if loss]
    return str(form.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def ending(name: str) -> str:
    return {"chatml-other-eos": "<|im_end|><|endoftext|>"}.get(name, FORMS[name][1])


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("said", [text for text in ODD if text.strip()])
@pytest.mark.parametrize("asked", ["Hello", "Four.", "<|im_end|>", ""])
def test_loss_is_on_the_response_and_eos(forms: dict[str, ChatFormat], name: str, said: str, asked: str) -> None:
    form = forms[name]
    encoded = form.encode([("user", asked), ("assistant", said)])
    assert learned(form, encoded) == said + ending(name)
    assert encoded.ids[-1] == form.tokenizer.eos_token_id
    assert encoded.ids.count(form.tokenizer.eos_token_id) == 1 + (name in {"chatml", "marked"})


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60, deadline=None)
@given(said=st.text(min_size=1, max_size=40).filter(str.strip), asked=st.text(max_size=20))
def test_any_response(forms: dict[str, ChatFormat], name: str, said: str, asked: str) -> None:
    form = forms[name]
    encoded = form.encode([("user", asked), ("assistant", said)])
    assert learned(form, encoded) == said + ending(name)
    prompt = form.encode_prompt([("user", asked)])
    assert encoded.ids[: len(prompt)] == prompt
    assert encoded.loss[: len(prompt)] == [False] * len(prompt)
    assert all(encoded.loss[len(prompt) :])


@pytest.mark.parametrize("name", ["house", "chatml", "marked"])
def test_every_response_of_a_long_chat_bears_loss(forms: dict[str, ChatFormat], name: str) -> None:
    turns = [("system", "Be kind."), ("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")]
    form, eos = forms[name], FORMS[name][1]
    encoded = form.encode(turns)
    assert learned(form, encoded) == f"one{eos}two{eos}"
    assert len(encoded.starts) == 2
    text = form.tokenizer.decode(encoded.ids[encoded.starts[1] : encoded.prompt_end])
    assert text == "b"


def test_inside_a_chat_the_templates_own_marker_ends_a_response(forms: dict[str, ChatFormat]) -> None:
    form = forms["chatml-other-eos"]
    encoded = form.encode([("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")])
    assert learned(form, encoded) == "one<|im_end|>two<|im_end|><|endoftext|>"


def test_a_template_without_any_ending_gets_eos_after_each(forms: dict[str, ChatFormat]) -> None:
    form = forms["bare"]
    encoded = form.encode([("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")])
    assert learned(form, encoded) == "one<|endoftext|>two<|endoftext|>"


@pytest.mark.parametrize("name", ["house-bos", "bos"])
def test_bos_is_there_once(forms: dict[str, ChatFormat], name: str) -> None:
    form = forms[name]
    ids = form.encode([("user", "<s>"), ("assistant", "<s>")]).ids
    assert ids.count(form.tokenizer.bos_token_id) == 1
    assert ids[0] == form.tokenizer.bos_token_id


def test_a_template_that_trims_is_followed() -> None:
    form = ChatFormat(byte_tokenizer(TRIMMED))
    encoded = form.encode([("user", " hi "), ("assistant", "  yes \n")])
    assert learned(form, encoded) == "yes<|im_end|>"


def test_a_lost_system_turn_is_seen(forms: dict[str, ChatFormat]) -> None:
    assert forms["chatml"].keeps_system()
    assert forms["house"].keeps_system()
    assert not forms["bos"].keeps_system()


def test_a_template_that_refuses_is_said() -> None:
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
    form = ChatFormat(byte_tokenizer(strict))
    assert not form.keeps_system()
    with pytest.raises(UnfitRow, match="no system role"):
        form.encode([("system", "x"), ("user", "a"), ("assistant", "b")])


def test_no_eos_is_refused() -> None:
    with pytest.raises(PreconditionError, match="no EOS"):
        ChatFormat(byte_tokenizer(eos=None))


def test_pieces_that_do_not_join_are_masked_by_offsets() -> None:
    form = ChatFormat(_metaspace())
    assert not form.joins
    encoded = form.encode([("user", "two plus"), ("assistant", "plus two")])
    assert learned(form, encoded).strip() == "plus two</s>"


def _metaspace() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    text = ["two plus two is four <|user|> <|assistant|>\n\n"] * 3
    inner.train_from_iterator(text, trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>", "</s>"]))
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")
