"""What vLLM can be given of a model: whole weights, LoRA beside its base, weights merged first, or nothing.

vLLM's reader of PEFT adapters refuses DoRA and `modules_to_save`, and takes no notice of settings that it does not
know (`alpha_pattern`, `rank_pattern`): such an adapter would answer wrongly without a word, so it is merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Way = Literal["whole", "lora", "merge", "transformers"]
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM makes room for."""
_SPECIAL = (
    "alpha_pattern",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "lora_bias",
    "alora_invocation_tokens",
)
_EMBEDDINGS = {"embed_tokens", "lm_head", "wte", "embed_in", "embed_out"}


@dataclass(frozen=True)
class Compat:
    """How a model is given to vLLM.

    Attributes:
        way: `whole` = its folder; `lora` = base and adapter; `merge` = the adapter merged into its base; `transformers`
            = not at all: the plain engine serves it.
        why: What decided.
        rank: `lora`: the rank to make room for.
    """

    way: Way
    why: str
    rank: int = 0


def compat(adapter: Mapping[str, Any] | None) -> Compat:
    """Decide by the adapter's configuration (PEFT's `adapter_config.json`); None = whole weights."""
    if adapter is None:
        return Compat("whole", "whole weights")
    kind = str(adapter.get("peft_type", "")).upper()
    if kind != "LORA":
        return Compat("transformers", f"vLLM takes no {kind.replace('_', ' ').lower() or 'unknown'} adapter")
    if adapter.get("use_dora"):
        return Compat("merge", "vLLM takes no DoRA")
    if adapter.get("modules_to_save"):
        return Compat("merge", "vLLM takes no whole modules beside LoRA (modules_to_save)")
    if adapter.get("bias", "none") != "none":
        return Compat("merge", "vLLM takes no trained biases")
    if special := [name for name in _SPECIAL if adapter.get(name)]:
        return Compat("merge", f"vLLM does not read {', '.join(special)}")
    targets = adapter.get("target_modules") or ()
    if _EMBEDDINGS & {str(name).rpartition(".")[2] for name in ([targets] if isinstance(targets, str) else targets)}:
        return Compat("merge", "LoRA on embeddings is not taken for every model")
    rank = next((room for room in RANKS if room >= int(adapter.get("r", 0))), None)
    if rank is None:
        return Compat("merge", f"vLLM makes no room for a rank of {adapter['r']}")
    return Compat("lora", "plain LoRA", rank)
