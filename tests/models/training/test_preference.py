"""DPO moves the margin between chosen and rejected answers, against its reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from corpusmith.models.training.run import train

CHOSEN, REJECTED = [20, 21, 22, 1], [40, 41, 1]


@pytest.fixture
def pairs(prepared: Callable[..., str]) -> str:
    prompts = [[5 + i, 60 + i, 100 + i][: 1 + i % 3] for i in range(16)]
    content = [{"prompt_ids": prompt, "chosen_ids": CHOSEN, "rejected_ids": REJECTED} for prompt in prompts]
    return prepared(content, "pairs.parquet")


def log_prob(model: Any, prompt: list[int], answer: list[int]) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    return sum(float(logits[len(prompt) + i - 1, token]) for i, token in enumerate(answer))


def margin(model: Any) -> float:
    return log_prob(model, [7, 62], CHOSEN) - log_prob(model, [7, 62], REJECTED)


@pytest.mark.parametrize("adapter", ["lora", "none"])
def test_the_margin_grows(spec: Callable[..., Any], pairs: str, tiny_folder: Path, adapter: str) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    before = margin(base)
    outcome = train(spec(adapter, method="dpo", data=pairs, holdout=pairs, rate=5e-3 if adapter == "none" else 5e-2))
    losses = [point.loss for point in outcome.curve if point.loss is not None]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # log 2: policy and reference are the same at first
    assert outcome.holdout_loss is not None
    assert outcome.holdout_loss < 0.63
    if adapter == "lora":
        trained = peft.PeftModel.from_pretrained(base, outcome.final)
    else:
        trained = transformers.AutoModelForCausalLM.from_pretrained(outcome.final)
    assert margin(trained) > before + 1.0
    assert outcome.loss_tokens == outcome.steps * 4 * (len(CHOSEN) + len(REJECTED))


def test_after_sft_the_reference_is_the_adapter_as_it_was(spec: Callable[..., Any], pairs: str, tmp_path: Path) -> None:
    first = train(spec("lora", rate=2e-2, output=str(tmp_path / "first")))
    outcome = train(spec("lora", method="dpo", data=pairs, start_adapter=first.final))
    assert outcome.curve[0].loss == pytest.approx(0.6931, abs=1e-3)
    assert not (Path(outcome.final) / "ref").exists()


def test_stopped_and_gone_on(spec: Callable[..., Any], pairs: str, tmp_path: Path) -> None:
    whole = train(spec("lora", method="dpo", data=pairs, output=str(tmp_path / "whole"), keep_checkpoints=5))
    again = train(spec("lora", method="dpo", data=pairs), resume=tmp_path / "whole" / "checkpoint-5")
    assert (again.steps, again.loss, again.tokens) == (whole.steps, whole.loss, whole.tokens)
