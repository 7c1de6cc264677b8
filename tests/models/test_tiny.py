"""`tiny`: its tokenizer, its shape, and a pre-training that learns and repeats itself."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from corpusmith.core.errors import PreconditionError
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.digests import model_digests
from corpusmith.models.tiny import TinyRecipe, pretrain_tiny
from corpusmith.models.tiny_tokenizer import learn_tokenizer

TEXTS = [f"The function number {n} opens the file, reads the file and closes the file of {n % 7}." for n in range(80)]
SMALL = TinyRecipe(
    vocabulary=320, layers=1, width=32, inner=32, heads=2, key_heads=1, context=128, window=64, rows_per_step=2,
    epochs=4, learning_rate=1e-2,
)  # fmt: skip


def test_tokenizer_keeps_every_text() -> None:
    tokenizer = learn_tokenizer(TEXTS, 320, 128)
    assert 260 < len(tokenizer) <= 320
    for text in ("The file.", "  two\n\nlines\t", "é 你好 🙂 \x00\x7f", "<|eos|> as text", ""):
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.eos_token_id not in ids
    ids = [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    assert len(set(ids)) == 3
    assert None not in ids
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    assert learn_tokenizer(TEXTS, 320, 128).get_vocab() == tokenizer.get_vocab()


def test_chat_template_keeps_the_system_turn_and_ends_answers() -> None:
    form = ChatFormat(learn_tokenizer(TEXTS, 320, 128))
    assert not form.house
    assert form.keeps_system()
    turns = [("system", "Be brief."), ("user", "Which file?"), ("assistant", "The file.")]
    encoded = form.encode(turns)
    learned = [token for token, loss in zip(encoded.ids, encoded.loss, strict=True) if loss]
    assert form.tokenizer.decode(learned) == "The file.<|eos|>"
    assert form.tokenizer.decode(encoded.ids) == (
        "<|bos|><|start|>system\nBe brief.<|eos|>\n<|start|>user\nWhich file?<|eos|>\n"
        "<|start|>assistant\nThe file.<|eos|>"
    )
    assert form.encode_prompt(turns[:2]) == encoded.ids[: encoded.answer]


def test_pretraining_learns_and_repeats_itself(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    first = pretrain_tiny(TEXTS, tmp_path / "one", SMALL, seed=3)
    again = pretrain_tiny(TEXTS, tmp_path / "two", SMALL, seed=3)
    other = pretrain_tiny(TEXTS, tmp_path / "three", SMALL, seed=4)
    digests = [model_digests(outcome.final) for outcome in (first, again, other)]
    assert digests[0] == digests[1]
    assert digests[0].digest != digests[2].digest
    assert digests[0].parts["tokenizer"] == digests[2].parts["tokenizer"]
    assert first.loss < 0.6 * math.log(320)
    model = AutoModelForCausalLM.from_pretrained(first.final)
    assert model.config.tie_word_embeddings
    assert (model.config.model_type, model.config.hidden_act) == ("llama", "silu")
    assert model.config.eos_token_id == AutoTokenizer.from_pretrained(first.final).eos_token_id


def test_documents_are_kept_apart(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    outcome = pretrain_tiny(TEXTS, tmp_path, SMALL.model_copy(update={"epochs": 0.1}))
    table = pq.read_table(tmp_path / "documents.parquet").to_pydict()
    tokenizer = learn_tokenizer(TEXTS, 320, 128)
    found = []
    for ids, places in zip(table["input_ids"], table["position_ids"], strict=True):
        starts = [at for at, place in enumerate(places) if place == 0] + [len(ids)]
        found += [ids[low:high] for low, high in pairwise(starts)]
    whole = [tokenizer.decode(ids) for ids in found if ids[0] == tokenizer.bos_token_id and ids[-1] == 2]
    assert sorted(whole) == sorted(f"<|bos|>{text}<|eos|>" for text in TEXTS)
    assert outcome.steps >= 1


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="no text to pre-train on"):
        pretrain_tiny([" ", ""], tmp_path, SMALL)
    for wrong in ({"width": 100, "heads": 3}, {"heads": 4, "key_heads": 3}, {"window": 256, "context": 128}):
        with pytest.raises(ValidationError):
            TinyRecipe(**wrong)
