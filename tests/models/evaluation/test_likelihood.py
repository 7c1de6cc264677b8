"""Likelihood against plain computations of the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.evaluation.likelihood import batches, score_conversations, score_documents
from corpusmith.models.evaluation.opened import OpenedModel, open_folder
from corpusmith.models.examples import Tally, encode_chats, encode_documents

CHATS = [
    ("a", [("user", "What is the capital of France?"), ("assistant", "The capital of France is Paris.")]),
    ("b", [("system", "Be brief."), ("user", "Add two and three."), ("assistant", "5")]),
    (
        "c",
        [
            ("user", "Seven ships lay in the harbour when the storm came, and how many are left?"),
            ("assistant", "None."),
            ("user", "Où?"),
            ("assistant", "À la mer, Großmutter, zum Tee mit Brötchen und Käse."),
        ],
    ),
]
TEXTS = [("x", "The river rises in the hills."), ("y", "Überall ist ein Bäcker."), ("z", "Add.")]


@pytest.fixture(scope="module")
def opened(tiny_folder: Path) -> OpenedModel:
    return open_folder(tiny_folder, device="cpu")


def plain_nll(model: Any, ids: Any, loss: Any) -> tuple[float, int]:
    """Token by token, unbatched and unpadded, in float64 from the logits on."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor(np.asarray(ids))[None].long()).logits[0].double()
    told = torch.log_softmax(logits, -1)
    places = [at for at in range(1, len(ids)) if loss[at]]
    return -sum(float(told[at - 1, int(ids[at])]) for at in places), len(places)


def test_conversations_equal_a_plain_computation_over_the_encoding_of_training(opened: OpenedModel) -> None:
    found = score_conversations(opened, CHATS)
    for row, (_, encoded) in enumerate(encode_chats(iter(CHATS), opened.form, Tally())):
        nll, tokens = plain_nll(opened.model, encoded.ids, encoded.loss)
        assert found.nll[row] == pytest.approx(nll, rel=1e-5)
        assert found.tokens[row] == tokens
    assert found.size_bytes.tolist() == [31, 1, 5 + len(CHATS[2][1][3][1].encode())]
    assert found.bits_per_byte == pytest.approx(found.nll.sum() / math.log(2) / found.size_bytes.sum())
    assert found.perplexity == pytest.approx(math.exp(found.nll.sum() / found.tokens.sum()))
    assert found.scored.all()
    assert not found.opening.any()


def test_documents_charge_a_first_token_that_nothing_stands_before(opened: OpenedModel) -> None:
    found = score_documents(opened, TEXTS)
    for row, example in enumerate(encode_documents(TEXTS, opened.form, Tally())):
        nll, tokens = plain_nll(opened.model, example.ids, example.loss)
        assert found.nll[row] == pytest.approx(nll, rel=1e-5)
        assert found.tokens[row] == tokens == len(example.ids) - 1
    assert found.opening == pytest.approx(math.log(len(opened.form.tokenizer)))
    assert found.size_bytes.tolist() == [len(text.encode()) for _, text in TEXTS]


def test_a_bos_token_stands_before_the_first(tmp_path: Path) -> None:
    from corpusmith.models.tiny import TinyRecipe, write_untrained
    from corpusmith.models.tiny_tokenizer import learn_tokenizer

    tokenizer = learn_tokenizer([text for _, text in TEXTS], 270, 64)
    write_untrained(tmp_path, tokenizer, TinyRecipe(layers=1, width=16, inner=16, heads=2, key_heads=1, context=64,
                                                    window=32), 0)  # fmt: skip
    opened = open_folder(tmp_path, device="cpu")
    found = score_documents(opened, TEXTS)
    assert not found.opening.any()
    assert found.tokens.tolist() == [len(e.ids) - 1 for e in encode_documents(TEXTS, opened.form, Tally())]


def test_padding_and_batches_change_nothing(opened: OpenedModel) -> None:
    together = score_conversations(opened, CHATS, batch_tokens=4096)
    alone = [score_conversations(opened, [chat], batch_tokens=1) for chat in CHATS]
    assert together.nll == pytest.approx([one.nll[0] for one in alone], rel=1e-5)
    again = score_conversations(opened, CHATS, batch_tokens=4096)
    assert again.nll.tolist() == together.nll.tolist()


def test_examples_in_the_prompt_are_not_scored(opened: OpenedModel) -> None:
    shot = CHATS[0][1]
    found = score_conversations(opened, [("a", [*shot, *CHATS[2][1]])], shots=1)
    encoded = opened.form.encode([*shot, *CHATS[2][1]])
    loss = [flag and at >= encoded.starts[1] for at, flag in enumerate(encoded.loss)]
    nll, tokens = plain_nll(opened.model, encoded.ids, loss)
    assert (found.nll[0], found.tokens[0]) == (pytest.approx(nll, rel=1e-5), tokens)
    assert found.size_bytes[0] == score_conversations(opened, CHATS[2:]).size_bytes[0]


def test_what_is_longer_than_the_context_is_scored_whole(tiny_folder: Path) -> None:
    small = open_folder(tiny_folder, device="cpu", context=32)
    text = " ".join(text for _, text in TEXTS * 6)
    found = score_documents(small, [("long", text)])
    (example,) = encode_documents([("long", text)], small.form, Tally())
    assert found.tokens[0] == len(example.ids) - 1
    assert found.size_bytes[0] == len(text.encode())
    # windows by hand: each new window begins 24 tokens later and takes up where the one before ended
    total, start, done = 0.0, 0, 0
    while done < len(example.ids):
        end = min(len(example.ids), start + 32)
        nll, _ = plain_nll(small.model, example.ids[start:end], [at >= done - start for at in range(end - start)])
        total, done, start = total + nll, end, start + 24
    assert found.nll[0] == pytest.approx(total, rel=1e-5)
    turns = [("user", "Why?"), ("assistant", text)]
    answered = score_conversations(small, [("long", turns)])
    assert answered.tokens[0] == sum(small.form.encode(turns).loss)
    cut = score_conversations(small, [("prompt", [("user", text), ("assistant", "Yes.")])])
    assert cut.tokens[0] == sum(small.form.encode([("user", "a"), ("assistant", "Yes.")]).loss)


def test_rows_that_cannot_be_scored_are_told(opened: OpenedModel) -> None:
    found = score_conversations(opened, [("empty", [("user", "Why?"), ("assistant", " ")]), CHATS[0]])
    assert (found.scored.tolist(), found.refused) == ([False, True], {"empty": "it has no response"})
    nothing = score_documents(opened, [])
    assert math.isnan(nothing.bits_per_byte)
    assert math.isnan(nothing.perplexity)


def test_a_template_that_loses_the_system_turn_is_refused(tiny_folder: Path) -> None:
    opened = open_folder(tiny_folder, device="cpu")
    opened.form.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }} {% endif %}{% endfor %}"
    )
    with pytest.raises(PreconditionError, match="row b has one"):
        score_conversations(opened, CHATS)


def test_weights_that_are_no_number_give_no_number(tiny_folder: Path) -> None:
    import torch

    opened = open_folder(tiny_folder, device="cpu")
    with torch.no_grad():
        opened.model.lm_head.weight.fill_(math.nan)
    found = score_conversations(opened, CHATS)
    assert np.isnan(found.nll).all()
    assert math.isnan(found.bits_per_byte)
    assert math.isnan(found.perplexity)


@pytest.mark.parametrize("kind", ["lora", "prompt"])
def test_adapters(tiny_folder: Path, kind: str) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    from corpusmith.models.evaluation.opened import made_ready
    from corpusmith.models.loading import open_tokenizer

    torch.manual_seed(1)
    config: Any = peft.LoraConfig(
        task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False
    )  # fmt: skip
    if kind == "prompt":
        config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), config).eval()
    opened = made_ready(model, open_tokenizer(tiny_folder))
    found = score_conversations(opened, CHATS)
    virtual = 3 if kind == "prompt" else 0
    assert opened.context == 256 - virtual
    for row, (_, encoded) in enumerate(encode_chats(iter(CHATS), opened.form, Tally())):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor(encoded.ids)[None]).logits[0].double()
        told = torch.log_softmax(logits, -1)
        places = [at for at in range(1, len(encoded.ids)) if encoded.loss[at]]
        nll = -sum(float(told[virtual + at - 1, encoded.ids[at]]) for at in places)
        assert found.nll[row] == pytest.approx(nll, rel=1e-5)


def test_batches_hold_the_limit_and_every_row_once() -> None:
    lengths = np.array([3, 90, 7, 40, 41, 5, 300])
    found = list(batches(lengths, 100))
    assert sorted(at for batch in found for at in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= 100 for batch in found)
    assert found[0] == [6]


def test_a_stop_is_obeyed_between_batches(opened: OpenedModel) -> None:
    class StopNowError(Exception):
        pass

    class Cancel:
        calls = 0

        def check(self) -> None:
            self.calls += 1
            if self.calls == 2:
                raise StopNowError

    run: Callable[..., Any] = score_conversations
    with pytest.raises(StopNowError):
        run(opened, CHATS, batch_tokens=1, cancel=Cancel())
