"""What one training is, as plain data: written by `tools.train`, sent to Ray workers as JSON, obeyed by `train`.

Prepared data are Parquet files, one example a row, in training order (already shuffled and, for `sft` and `pretrain`,
packed):

    sft, pretrain   input_ids list<int32>, labels list<int32> (-100 = no loss), position_ids list<int32> (restarts at 0
                    for each example that was packed into the row)
    dpo             prompt_ids, chosen_ids, rejected_ids list<int32> (chosen and rejected end with EOS)
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["sft", "dpo", "pretrain"]
Adapter = Literal["lora", "dora", "qlora", "prompt", "none"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AdapterSettings(_Frozen):
    """Which weights move. `none` = all of them."""

    kind: Adapter = "lora"
    rank: int = Field(16, ge=1, le=1024, description="LoRA rank r")
    alpha: int = Field(32, ge=1, description="LoRA scale is alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("all-linear",), description="module names; all-linear = every linear but the head"
    )
    virtual_tokens: int = Field(20, ge=1, le=1024, description="prompt tuning: length of the learned prompt")


class Schedule(_Frozen):
    """How the optimizer goes."""

    learning_rate: float = Field(2e-4, gt=0)
    epochs: float = Field(1.0, gt=0, description="passes over the data, when max_steps is not given")
    max_steps: int | None = Field(None, ge=1)
    batch_tokens: int = Field(16_384, ge=1, description="tokens (with padding) per optimizer step over all workers")
    warmup_frac: float = Field(0.03, ge=0, le=1, description="share of the steps in which the rate rises")
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    dpo_beta: float = Field(0.1, gt=0)


class TrainSpec(_Frozen):
    """Everything a worker needs to train; paths are absolute."""

    method: Method
    model: str = Field(description="folder or hub id of the base model")
    revision: str | None = None
    start_adapter: str | None = Field(None, description="folder of an adapter to go on from (DPO after SFT)")
    data: str = Field(description="Parquet file of prepared examples")
    holdout: str | None = Field(None, description="the same for the loss on the validation split")
    output: str = Field(description="folder for checkpoints; the finished model goes to output/final")
    adapter: AdapterSettings = AdapterSettings()
    schedule: Schedule = Schedule()
    sequence_length: int = Field(ge=8, description="longest row of the prepared data, in tokens")
    rows_per_step: int = Field(ge=1, description="prepared rows in one forward and backward pass of one worker")
    seed: int = 0
    checkpoint_every: int = Field(50, ge=1, description="optimizer steps between checkpoints")
    keep_checkpoints: int = Field(2, ge=1)
    gradient_checkpointing: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    fsdp: bool = Field(False, description="shard the weights over the workers")
    report_to: tuple[str, ...] = Field((), description="trackers of transformers: comet_ml, mlflow, wandb, tensorboard")
    run_name: str = "corpusmith"


class CurvePoint(_Frozen):
    """One logged point of the loss curve."""

    step: int
    loss: float | None = None
    holdout_loss: float | None = None
    learning_rate: float | None = None
    tokens: int = 0
    seconds: float = 0.0


class TrainOutcome(_Frozen):
    """What a training left behind, as plain data."""

    steps: int
    final: str = Field(description="folder of the finished model or adapter, with its tokenizer")
    curve: tuple[CurvePoint, ...]
    loss: float = Field(description="mean training loss of the last tenth of the steps; NaN is told, not hidden")
    holdout_loss: float | None = None
    tokens: int = Field(description="tokens seen, without padding")
    loss_tokens: int = Field(description="tokens that bore loss")
    seconds: float
    tokens_per_s: float
    mfu: float | None = Field(None, description="share of the device's measured peak; null where no peak is known")
    flops_per_token: float
    peak_memory_bytes: int
    workers: int = 1
    rows_per_step: int = Field(description="as it ended: out of memory halves it")
    halvings: int = 0
    resumed_from: int | None = Field(None, description="step of the checkpoint it went on from")
    restarts: int = 0
    versions: dict[str, str] = Field(default_factory=dict)
