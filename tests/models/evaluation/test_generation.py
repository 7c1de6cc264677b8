"""Batched generation against transformers' own, one prompt at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpusmith.models.evaluation.generation import generate, prompt_ids
from corpusmith.models.evaluation.opened import OpenedModel, made_ready, open_folder
from corpusmith.models.loading import open_tokenizer

ASKED: list[tuple[str, list[tuple[str, str]]]] = [
    ("a", [("user", "What is the capital of France?")]),
    ("b", [("system", "Be brief."), ("user", "Add two and three, and you have what? Say it.")]),
    ("c", [("user", "Seven")]),
    ("d", [("user", "The river"), ("assistant", "rises"), ("user", "and runs")]),
]


@pytest.fixture(scope="module")
def opened(tiny_folder: Path) -> OpenedModel:
    return open_folder(tiny_folder, device="cpu")


def alone(opened: OpenedModel, turns: Any, new: int) -> list[int]:
    """The answer's ids by an unbatched call with the chat template's own prompt."""
    import torch

    messages = [{"role": role, "content": text} for role, text in turns]
    ids = opened.form.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    with torch.no_grad():
        made = opened.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=new
        )
    return made[0, len(ids) :].tolist()


def test_answers_equal_unbatched_generation(opened: OpenedModel) -> None:
    found = generate(opened, ASKED, max_new_tokens=12)
    expected = [alone(opened, turns, 12) for _, turns in ASKED]
    decode = opened.form.tokenizer.decode
    assert list(found.texts) == [decode(ids, skip_special_tokens=True).strip() for ids in expected]
    assert list(found.tokens) == [len(ids) for ids in expected]
    assert found.row_ids == ("a", "b", "c", "d")
    one_by_one = generate(opened, ASKED, max_new_tokens=12, batch_rows=1)
    assert one_by_one.texts == found.texts


def test_an_answer_ends_at_eos(tiny_folder: Path) -> None:
    import torch

    opened = open_folder(tiny_folder, device="cpu")
    first = alone(opened, ASKED[0][1], 4)
    end = opened.form.tokenizer.eos_token_id
    with torch.no_grad():  # what was said first becomes the end
        weight = opened.model.lm_head.weight
        weight[[end, first[0]]] = weight[[first[0], end]].clone()
    found = generate(opened, ASKED[:1], max_new_tokens=4)
    assert (found.texts, found.tokens, found.ended) == (("",), (1,), (True,))
    assert not any(generate(open_folder(tiny_folder, device="cpu"), ASKED[:1], max_new_tokens=2).ended)


def test_its_own_settings_for_sampling_are_put_aside(tiny_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tiny_folder)
    plain = generate(made_ready(model, open_tokenizer(tiny_folder)), ASKED, max_new_tokens=16).texts
    model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=9.0)
    assert generate(made_ready(model, open_tokenizer(tiny_folder)), ASKED, max_new_tokens=16).texts == plain


def test_a_long_prompt_leaves_room_for_the_answer(tiny_folder: Path) -> None:
    small = open_folder(tiny_folder, device="cpu", context=48)
    turns = [("user", "The river rises in the hills. " * 9 + "What runs?")]
    ids = prompt_ids(small.form, turns, 40)
    assert len(ids) == 40
    assert ids[-1] == small.form.encode_prompt(turns)[-1]
    assert "What runs?" in small.form.tokenizer.decode(ids)
    talked = [("user", "What is the capital of France?"), ("assistant", "Paris."), ("user", "Seven ships?")]
    short = small.form.encode_prompt(talked[2:])
    assert prompt_ids(small.form, talked, len(short) + 2) == short  # the older exchange goes
    found = generate(small, [("long", turns)], max_new_tokens=8)
    assert found.tokens == (8,)
    assert generate(small, [("long", turns)], max_new_tokens=500).tokens[0] <= 40


def test_a_row_without_a_prompt_is_told(opened: OpenedModel) -> None:
    found = generate(opened, [("none", [("system", " ")]), ASKED[2]], max_new_tokens=3)
    assert found.refused == {"none": "it has no prompt"}
    assert found.texts[0] == ""
    assert found.tokens[1] == 3
    assert generate(opened, [], max_new_tokens=3).texts == ()


def test_prompt_tuning(tiny_folder: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), config).eval()
    opened = made_ready(model, open_tokenizer(tiny_folder))
    found = generate(opened, ASKED, max_new_tokens=8)
    assert found.texts == generate(opened, ASKED, max_new_tokens=8, batch_rows=1).texts
    # by hand: argmax of a whole forward pass, again and again
    ids = opened.form.encode_prompt(ASKED[2][1])
    for _ in range(8):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    said = opened.form.tokenizer.decode(ids[-8:], skip_special_tokens=True).strip()
    assert found.texts[2] == said
