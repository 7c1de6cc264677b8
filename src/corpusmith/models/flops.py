"""Floating-point operations of a training, per token, and the peaks they are held against (MFU).

    weights frozen (LoRA, prompt tuning)   4 N + 6 N_adapter + 3 A
    all weights move                       6 N + 3 A
    DPO adds the reference's forward       2 N + A

N = parameters of matrix products: everything two-dimensional, the head included, the embedding lookup excluded (a
tied head counts once). A frozen weight costs the forward product (2 N) and the product that carries the gradient on to
its input (2 N), but none for its own gradient. A = 2 * layers * heads * head_dim * s is causal attention's forward per
token, s = mean length of the example that a token stands in (packed examples do not see each other); its backward costs
twice that, adapter or not. Recomputed activations are not counted: MFU counts the model's work, not the hardware's.

Works on plain numbers and on any object with `named_parameters`; imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol


class _Parameters(Protocol):
    def named_parameters(self) -> Iterable[tuple[str, Any]]: ...


@dataclass(frozen=True)
class ModelShape:
    """What the formula needs to know of a model.

    Attributes:
        matmul: N, parameters of matrix products without adapters.
        adapter: Parameters of the adapter (0 = none).
        attention_width: layers * heads * head_dim.
    """

    matmul: int
    adapter: int
    attention_width: int


@dataclass(frozen=True)
class Peak:
    """Dense bf16 operations per second of one device, and where the figure is from."""

    flops: float
    source: Literal["measured", "datasheet"]


PEAKS: tuple[tuple[str, Peak], ...] = (
    ("H200", Peak(790e12, "measured")),
    ("H100 PCIe", Peak(756e12, "datasheet")),
    ("H100", Peak(989e12, "datasheet")),
    ("A100", Peak(312e12, "datasheet")),
    ("L40S", Peak(362e12, "datasheet")),
    ("RTX 4090", Peak(165e12, "datasheet")),
)
"""First name contained in the device's name wins. H200: largest rate seen in long bf16 products (datasheet: 989e12)."""


def peak_flops(device_name: str) -> Peak | None:
    """The peak of a device by its name; None where none is known (every CPU)."""
    return next((peak for name, peak in PEAKS if name.lower() in device_name.lower()), None)


def shape_of(model: _Parameters, config: Any) -> ModelShape:
    """Count a model's parameters.

    Args:
        model: A causal language model, with or without a PEFT adapter; not sharded, not quantized.
        config: Its transformers configuration.
    """
    config = config.get_text_config()
    matmul = adapter = embedding = 0
    for name, parameter in model.named_parameters():
        if "lora_" in name or "prompt_encoder" in name:
            adapter += parameter.numel()
        elif name.endswith("embed_tokens.weight") or name.endswith("wte.weight"):
            embedding += parameter.numel()
        elif parameter.dim() >= 2:
            matmul += parameter.numel()
    if getattr(config, "tie_word_embeddings", False):
        matmul += embedding
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return ModelShape(matmul, adapter, config.num_hidden_layers * heads * width)


def flops_per_token(shape: ModelShape, attended: float, *, full: bool, preference: bool = False) -> float:
    """Operations per token by the module's formula.

    Args:
        shape: The model.
        attended: s, in tokens.
        full: Whether all weights move.
        preference: Whether a reference model's forward comes on top (DPO).
    """
    attention = 2.0 * shape.attention_width * attended
    total = (6.0 if full else 4.0) * shape.matmul + 6.0 * shape.adapter + 3.0 * attention
    return total + (2.0 * shape.matmul + attention if preference else 0.0)


def mfu(per_token: float, tokens_per_s: float, peak: Peak | None, devices: int = 1) -> float | None:
    """Model operations per second over the devices' peak; None where no peak is known."""
    return None if peak is None else per_token * tokens_per_s / (peak.flops * devices)
