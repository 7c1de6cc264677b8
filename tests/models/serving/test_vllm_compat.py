from __future__ import annotations

from typing import Any

import pytest

from corpusmith.models.serving.vllm_compat import Compat, Way, compat

LORA: dict[str, Any] = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}


def test_whole_weights_and_plain_lora_are_given_as_they_are() -> None:
    assert compat(None) == Compat("whole", "whole weights")
    assert compat(LORA) == Compat("lora", "plain LoRA", 16)
    assert (
        compat(LORA | {"use_rslora": True, "bias": "none", "modules_to_save": None, "alpha_pattern": {}}).way == "lora"
    )


@pytest.mark.parametrize(("rank", "room"), [(1, 8), (8, 8), (9, 16), (300, 320), (512, 512)])
def test_room_is_made_for_the_rank(rank: int, room: int) -> None:
    assert compat(LORA | {"r": rank}).rank == room


@pytest.mark.parametrize(
    ("changes", "way", "why"),
    [
        ({"use_dora": True}, "merge", "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "merge", "modules_to_save"),
        ({"bias": "lora_only"}, "merge", "biases"),
        ({"alpha_pattern": {"q_proj": 4}}, "merge", "alpha_pattern"),
        ({"rank_pattern": {"q_proj": 4}, "lora_bias": True}, "merge", "rank_pattern, lora_bias"),
        ({"target_modules": ["q_proj", "model.embed_tokens"]}, "merge", "embeddings"),
        ({"target_modules": "lm_head"}, "merge", "embeddings"),
        ({"r": 513}, "merge", "rank of 513"),
        ({"peft_type": "PROMPT_TUNING"}, "transformers", "prompt tuning"),
        ({"peft_type": "IA3", "use_dora": True}, "transformers", "ia3"),
        ({"peft_type": ""}, "transformers", "unknown"),
    ],
)
def test_what_vllm_would_refuse_or_misread_goes_another_way(changes: dict[str, Any], way: Way, why: str) -> None:
    found = compat(LORA | changes)
    assert found.way == way
    assert why in found.why
