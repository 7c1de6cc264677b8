"""An answer's text as it is made, against the tokenizer's own decoding of the whole."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_tokenizers import byte_tokenizer

from corpusmith.models.serving.spelling import Spelling, Writer

pytest.importorskip("transformers")


def pieced_tokenizer() -> Any:
    """As SentencePiece's: words begin with a mark, bytes where a character is unknown."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁", "▁a", "a", "b", "▁the", "é", "▁é", "ab"]
    inner = Tokenizer(models.BPE({w: n for n, w in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")


TOKENIZERS = {"bytes": byte_tokenizer, "pieces": pieced_tokenizer}


def written(tokenizer: Any, ids: list[int], stops: tuple[str, ...] = ()) -> tuple[str, bool]:
    writer, text = Writer(Spelling(tokenizer), stops), ""
    for token in ids:
        text += writer.add(token)
        if writer.stopped:
            return text, True
    return text + writer.end(), writer.stopped


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_any_tokens_are_written_as_the_tokenizer_decodes_them(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    rng = random.Random(1)
    tokens = [
        n for n in range(len(tokenizer)) if kind == "bytes" or not str(tokenizer.decode([n])).startswith("\ufffd")
    ]
    for _ in range(300):
        ids = [rng.choice(tokens) for _ in range(rng.randrange(12))]
        expected = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert written(tokenizer, ids)[0] == expected


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_only_whole_characters_come(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    for said in ("the é 日本 ab", "🙂🙂 a"):
        ids = tokenizer(said, add_special_tokens=False)["input_ids"]
        writer = Writer(Spelling(tokenizer))
        parts = [writer.add(token) for token in ids] + [writer.end()]
        assert "".join(parts) == tokenizer.decode(ids)
        assert "\N{REPLACEMENT CHARACTER}" not in "".join(parts)


TOKENIZER = byte_tokenizer()


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_a_stop_text_ends_the_answer_where_it_first_shows(text: str, stops: list[str]) -> None:
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    found, stopped = written(TOKENIZER, ids, tuple(stops))
    assert stopped == bool(ends)
    if not ends:
        assert found == text
    else:  # of stop texts that overlap, the one that is whole first ends it
        assert found in [text[:at] for at in ends]


def test_tokens_that_are_no_characters_do_not_look_alike() -> None:
    spelling = Spelling(TOKENIZER)
    texts = [spelling.token(token).text for token in range(len(TOKENIZER))]
    assert len(set(texts)) == len(texts)
    end = spelling.token(TOKENIZER.eos_token_id)
    assert (end.text, end.raw) == ("<|im_end|>", b"")
    assert spelling.token(10_000).raw == b""  # a model may have more rows than its tokenizer has tokens
