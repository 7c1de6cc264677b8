"""The loss in chunks is the plain loss: value and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpusmith.models.training import loss as module
from corpusmith.models.training.loss import IGNORE, bear_loss, next_targets, summed_loss


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_value_and_gradients(monkeypatch: pytest.MonkeyPatch, bias: bool, moving: bool, rows_at_once: int) -> None:
    monkeypatch.setitem(module.CHUNK_ELEMENTS, "cpu", rows_at_once * 11)
    torch.manual_seed(0)
    head = nn.Linear(6, 11, bias=bias).requires_grad_(moving)
    hidden = torch.randn(2, 5, 6, requires_grad=True)
    targets = torch.randint(0, 11, (2, 5))
    targets[0, :3] = IGNORE
    wanted = nn.functional.cross_entropy(
        head(hidden).flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    leaves = [hidden, *(head.parameters() if moving else ())]
    theirs = torch.autograd.grad(wanted * 0.3, leaves)
    mine_loss = summed_loss(hidden, head, targets)
    mine = torch.autograd.grad(mine_loss * 0.3, leaves)
    torch.testing.assert_close(mine_loss, wanted)
    torch.testing.assert_close(mine, theirs)


def test_no_target_at_all_is_a_loss_of_zero_with_a_gradient() -> None:
    head, hidden = nn.Linear(4, 7), torch.randn(1, 3, 4, requires_grad=True)
    total = summed_loss(hidden, head, torch.full((1, 3), IGNORE))
    total.backward()
    assert total.item() == 0.0
    assert hidden.grad is not None
    assert not hidden.grad.any()


def model_of(folder: Path) -> Any:
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("adapter", [False, True])
def test_a_model_learns_the_same_as_from_its_own_loss(tiny_folder: Path, adapter: bool) -> None:
    import peft

    def open_it() -> Any:
        model = model_of(tiny_folder)
        if not adapter:
            return model
        torch.manual_seed(1)
        model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # zero at first, which would leave A without a gradient
                nn.init.normal_(parameter, std=0.1)
        return model

    torch.manual_seed(2)
    ids = torch.randint(5, 300, (3, 17))
    labels = ids.clone()
    labels[:, :6] = IGNORE
    plain, chunked = open_it(), open_it()
    bearing = (labels[:, 1:] != IGNORE).sum()
    wanted = plain(input_ids=ids, labels=labels).loss
    wanted.backward()
    assert bear_loss(chunked.get_base_model() if adapter else chunked)
    got = chunked(input_ids=ids, shift_labels=next_targets(labels)).loss / bearing
    got.backward()
    torch.testing.assert_close(got, wanted)
    grads = {name: p.grad for name, p in plain.named_parameters() if p.requires_grad}
    assert any("lora_A" in name and grad.abs().max() > 0 for name, grad in grads.items()) == adapter
    for name, parameter in chunked.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, grads[name], msg=name)


def test_without_labels_the_model_is_itself(tiny_folder: Path) -> None:
    model, ids = model_of(tiny_folder), torch.arange(5, 15)[None]
    before = model(input_ids=ids).logits
    bear_loss(model)
    assert torch.equal(model(input_ids=ids).logits, before)


def test_a_model_with_soft_capped_logits_keeps_its_own_head() -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.Gemma2Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, final_logit_softcapping=0.5,
    )  # fmt: skip
    model = transformers.Gemma2ForCausalLM(config).eval()
    ids = torch.arange(3, 13)[None]
    wanted = model(input_ids=ids, labels=ids).loss
    assert not bear_loss(model)
    torch.testing.assert_close(model(input_ids=ids, labels=ids).loss / 9, wanted)
