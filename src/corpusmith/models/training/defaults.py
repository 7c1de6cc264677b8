"""The schedule of a training where the person leaves it open.

Learning rate: a rate for a model of half a billion parameters and more, by what moves and how, times

                        sft, pretrain   dpo     (5e8 / parameters) to the power of
    lora, dora, qlora       2e-4        1e-5    1/2
    all weights             2e-5        1e-6    3/4
    prompt                  1e-2        5e-4    1/2

for a smaller one, down to a million. 2e-4 for LoRA and a tenth of it for all weights are TRL's own recipe and "LoRA
Without Regret" (Schulman et al. 2025); the powers put `tiny` (a million) near the best of the rates that were tried on
it (docs/measured/training.md): small models need, and stand, larger steps. Nothing between was measured.

Passes: 3 of sft, 1 of dpo and pretrain. Batch: so that the training takes about 100 optimizer steps, at least one row
and at most 16,384 tokens each; a few hundred rows still make enough steps to learn from.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.models.training.spec import Adapter, Method, Schedule

Moving = Literal["adapter", "all", "prompt"]
LARGE, SMALL = 5e8, 1e6
STEPS = 100
BATCH_TOKENS = 16_384
EPOCHS: dict[Method, float] = {"sft": 3.0, "dpo": 1.0, "pretrain": 1.0}
RATES: dict[Moving, tuple[float, float, float]] = {
    "adapter": (2e-4, 1e-5, 0.5),
    "all": (2e-5, 1e-6, 0.75),
    "prompt": (1e-2, 5e-4, 0.5),
}
"""(sft and pretrain, dpo, power of the size)."""


class ScheduleWish(BaseModel):
    """How the optimizer goes; what is null is chosen by method, adapter and size of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    learning_rate: float | None = Field(
        None, gt=0, description="peak rate; null = 2e-4 for LoRA, 2e-5 for all weights, more for small models"
    )
    epochs: float | None = Field(None, gt=0, description="passes over the data; null = 3 of sft, 1 of dpo and pretrain")
    max_steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    batch_tokens: int | None = Field(
        None, ge=1, description="tokens, with padding, per optimizer step; null = for about 100 steps, at most 16384"
    )
    warmup_frac: float = Field(0.03, ge=0, le=1, description="share of the steps in which the rate rises")
    decay: Literal["cosine", "linear", "constant"] = Field("cosine", description="how the rate falls after that")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    dpo_beta: float = Field(0.1, gt=0, description="dpo: how strongly the model is held to its reference")


def learning_rate(method: Method, adapter: Adapter, parameters: int) -> float:
    """The module's rule, to two digits.

    Args:
        method: How it learns.
        adapter: What moves.
        parameters: Of the whole model.
    """
    moving: Moving = "all" if adapter == "none" else "prompt" if adapter == "prompt" else "adapter"
    plain, preference, power = RATES[moving]
    rate = preference if method == "dpo" else plain
    return float(f"{rate * max(1.0, LARGE / max(SMALL, parameters)) ** power:.2g}")


def schedule_for(
    wish: ScheduleWish, method: Method, adapter: Adapter, *, parameters: int, rows: int, sequence_length: int
) -> Schedule:
    """Fill in what the wish leaves open.

    Args:
        wish: What the person said.
        method: How it learns.
        adapter: What moves.
        parameters: Of the whole model.
        rows: Prepared rows.
        sequence_length: Tokens in one of them, at most.
    """
    row = sequence_length * (2 if method == "dpo" else 1)
    epochs = wish.epochs or EPOCHS[method]
    batch = max(row, min(BATCH_TOKENS, int(rows * row * epochs / STEPS)))
    said = wish.model_dump(exclude={"learning_rate", "epochs", "batch_tokens"})
    return Schedule(
        learning_rate=wish.learning_rate or learning_rate(method, adapter, parameters),
        epochs=epochs,
        batch_tokens=wish.batch_tokens or batch,
        **said,
    )
