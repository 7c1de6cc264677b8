"""What the step `train` is told, and what it tells."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from corpusmith.core.tools import ToolParams, ToolResult
from corpusmith.models.training.defaults import ScheduleWish
from corpusmith.models.training.spec import AdapterSettings, Method


class TrainParams(ToolParams):
    """What is trained, and how."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$", description="how the model is called")
    method: Literal["auto", "sft", "dpo", "pretrain"] = Field(
        "auto", description="auto = by the data: documents pretrain, instructions sft, preferences dpo"
    )
    adapter: AdapterSettings = Field(AdapterSettings(), description="which weights move; kind none = all of them")
    schedule: ScheduleWish = Field(ScheduleWish(), description="rate, passes and batch; what is null is chosen")
    sequence_length: int | None = Field(
        None, ge=8, description="tokens of one row; null = by analysis of the uncut examples"
    )
    packing: bool | None = Field(
        None, description="several examples a row, kept apart; null = where it can be (not for dpo and prompt tuning)"
    )
    split: str = Field("train", min_length=1, description="split that is trained on")
    holdout_split: str | None = Field("validation", description="split that the loss is measured on; null = none")
    holdout_rows: int = Field(1000, ge=1, description="most rows the loss is measured on, drawn by the seed")
    replay_rows: int = Field(0, ge=0, description="general rows of the input `replay` mixed in, against forgetting")
    gradient_checkpointing: bool = Field(False, description="less memory for about a third more time")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="type of the weights; auto is right")
    checkpoint_every: int | None = Field(
        None, ge=1, description="optimizer steps between checkpoints and looks at the holdout; null = ten in all"
    )
    system: str | None = Field(None, min_length=1, description="system turn that opens every conversation")
    max_cost_usd: float | None = Field(None, gt=0, description="refuse when the preflight expects to cost more")


class TrainResult(ToolResult):
    """What came of it. Losses in nats per token that bears loss (dpo: per pair); null = not measured, or NaN."""

    name: str
    kind: Literal["full", "adapter"]
    digest: str
    base: str = Field(description="artifact id of the base")
    method: Method
    adapter: str
    steps: int
    loss: float | None = Field(description="mean training loss of the last tenth of the steps")
    holdout_loss: float | None
    nan: bool = Field(description="the loss became NaN or infinite: the model is of no use")
    tokens: int = Field(description="tokens seen, without padding")
    loss_tokens: int
    tokens_per_s: float
    mfu: float | None
    seconds: float
    peak_memory_bytes: int
    parameters: int
    trainable: int
    learning_rate: float
    epochs: float
    sequence_length: int
    packed: bool
    examples: int = Field(description="examples trained on, after cutting; a long document gives several")
    holdout_examples: int
    replayed: int = Field(description="of the rows, those that were replayed")
    dropped: dict[str, int] = Field(description="rows left out, by rule")
    truncated_prompts: int
    truncated_responses: int
    workers: int
    restarts: int
    resumed_from: int | None
    halvings: int = Field(description="how often memory ran out and the batch was divided")
    device: str
    usd: float | None = Field(description="estimated cost; null where no price is known")
    data_digest: str
