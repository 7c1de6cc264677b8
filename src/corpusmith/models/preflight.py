"""Before a device's hour is spent: show what will be learned, estimate what it takes, try one micro-batch, refuse.

Memory: weights + gradients and two float32 moments of Adam for what is trained + activations + logits of the tokens
that bear loss. Activations without recomputation are 34 bytes x hidden size a token and layer at two bytes a number
(Korthikanti et al. 2022, attention matrices left out: none is stored). FLOPs a token: 2N forward, 2N back through the
activations, 2N for the weights' gradients (only what is trained), attention 6 x layers x heads x head size x length
on average over causal positions; N without the embedding lookup. Time comes from the micro-batch on this device.
Weights that are sharded over several devices may fit none of them: then nothing is tried, weights, gradients and
moments are divided by the workers, and time assumes a third of the device's peak, where that is known.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import PreconditionError
from corpusmith.models.examples import NO_LOSS
from corpusmith.models.flops import peak_flops
from corpusmith.models.prepared import Row, Seen, read_prepared
from corpusmith.models.training.plan import plan_steps
from corpusmith.models.training.spec import Adapter, Method, TrainSpec

OPEN, CLOSE = "⟦", "⟧"
ASSUMED = 1 / 3  # of the peak, where nothing was tried
BYTES_PER_ACTIVATION = 17  # of the hidden size, in numbers: 34 bytes at two a number


class Memory(BaseModel):
    """Bytes by what holds them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


class Preflight(BaseModel):
    """What was seen and estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    examples: tuple[str, ...] = Field(description=f"decoded; {OPEN}what bears loss{CLOSE}")
    rows: int = Field(description="prepared rows")
    tokens: int = Field(description="tokens of one pass over the data")
    loss_tokens: int
    steps: int
    parameters: int
    trainable: int
    memory: Memory
    memory_free: int | None
    flops_per_token: float
    flops: float
    loss: float | None = Field(description="of the micro-batch, before any step; null = nothing was tried")
    micro_tokens: int
    micro_seconds: float | None
    seconds: float | None
    usd: float | None
    device: str

    def text(self) -> str:
        """As it is printed."""
        gib = 2**30
        m = self.memory
        lines = [
            *(f"example {n + 1}\n{shown}\n" for n, shown in enumerate(self.examples)),
            f"{OPEN}...{CLOSE} bears loss; the rest is context",
            f"rows        {self.rows}",
            f"tokens      {self.tokens} a pass, {self.loss_tokens} bear loss",
            f"steps       {self.steps}",
            f"parameters  {self.parameters}, {self.trainable} trained",
            f"memory      {m.total / gib:.2f} GiB: weights {m.weights / gib:.2f}, gradients {m.gradients / gib:.2f},"
            f" optimizer {m.optimizer / gib:.2f}, activations {m.activations / gib:.2f}, logits {m.logits / gib:.2f}"
            + ("" if self.memory_free is None else f"; {self.memory_free / gib:.2f} free"),
            f"FLOPs       {self.flops:.3g} ({self.flops_per_token:.3g} a token)",
            f"time        {'not known' if self.seconds is None else f'about {self.seconds:.0f} s'} on {self.device}"
            + (f" ({self.micro_tokens} tokens took {self.micro_seconds:.3f} s)" if self.micro_seconds else ""),
            f"money       {'no price is known' if self.usd is None else f'about {self.usd:.2f} USD'}",
            "loss        not tried: the weights are sharded"
            if self.loss is None
            else f"loss        {self.loss:.4f} before the first step",
        ]
        return "\n".join(lines) + "\n"


def require_training(method: Method, adapter: Adapter, on_ray: bool = False) -> None:
    """Refuse what this installation or machine cannot do at all.

    Raises:
        PreconditionError: The extra `train` is missing, or QLoRA is asked for without a CUDA device.
    """
    needed = ["torch", "transformers", "accelerate"]
    needed += [] if adapter == "none" else ["peft"]
    needed += ["trl"] if method == "dpo" else []
    needed += ["ray"] if on_ray else []
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"training needs the extra `train`: {', '.join(missing)} not there", hint="pip install 'corpusmith[train]'"
        )
    if adapter == "qlora":
        import torch

        if not torch.cuda.is_available():
            raise PreconditionError("QLoRA needs a CUDA device, and there is none", hint="Use the adapter lora.")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise PreconditionError("QLoRA needs bitsandbytes", hint="pip install bitsandbytes")


def show(tokenizer: Any, ids: Sequence[int], labels: Sequence[int]) -> str:
    """The decoded example with brackets around every stretch that bears loss."""
    out, start = [], 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or (labels[at] == NO_LOSS) != (labels[start] == NO_LOSS):
            text = tokenizer.decode(ids[start:at], clean_up_tokenization_spaces=False)
            out.append(text if labels[start] == NO_LOSS else f"{OPEN}{text}{CLOSE}")
            start = at
    return "".join(out)


def free_memory(device: str) -> int | None:
    """Bytes that are free on the device; None where the machine does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info()[0])
    table = Path("/proc/meminfo")
    if not table.is_file():
        return None
    lines = dict(line.split(":", 1) for line in table.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def estimate_memory(
    *, parameters: int, trainable: int, bytes_each: int, tokens: int, hidden: int, layers: int, vocabulary: int,
    loss_tokens: int, recompute: bool,
) -> Memory:  # fmt: skip
    """The formula of the module's text.

    Args:
        parameters: All weights.
        trainable: Those that move.
        bytes_each: Of one weight or activation.
        tokens: In one forward and backward pass.
        hidden: Width of the model.
        layers: Number of its layers.
        vocabulary: Rows of its head.
        loss_tokens: Tokens of the pass that bear loss.
        recompute: Activations are recomputed (gradient checkpointing): one number a layer is kept, and one layer's.
    """
    of_layer = BYTES_PER_ACTIVATION * hidden * tokens * bytes_each
    activations = layers * hidden * tokens * bytes_each + of_layer if recompute else layers * of_layer
    return Memory(
        weights=parameters * bytes_each,
        gradients=trainable * bytes_each,
        optimizer=trainable * 8,
        activations=activations,
        logits=loss_tokens * vocabulary * 8,  # float32, and its gradient
    )


def memory_of(spec: TrainSpec, model: Any, data: Seen, workers: int = 1) -> Memory:
    """The estimate for a training of `model`, on one device; sharded weights are divided by the workers."""
    shards = workers if spec.fsdp else 1
    return estimate_memory(
        parameters=sum(p.numel() for p in model.parameters()) // shards,
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad) // shards,
        bytes_each=next(model.parameters()).element_size(),
        tokens=spec.rows_per_step * len(data.longest.ids) * (2 if spec.method == "dpo" else 1),
        hidden=model.config.hidden_size,
        layers=model.config.num_hidden_layers,
        vocabulary=int(model.get_input_embeddings().weight.shape[0]),
        loss_tokens=spec.rows_per_step * data.most_loss,
        recompute=spec.gradient_checkpointing,
    )


def run_preflight(
    spec: TrainSpec,
    model: Any,
    tokenizer: Any,
    *,
    workers: int = 1,
    usd_per_gpu_hour: float | None = None,
) -> Preflight:
    """Look at the prepared data, try one micro-batch of one row on `model`, estimate the whole.

    Args:
        spec: The training.
        model: What will be trained, with its adapter, on its device; for sharded weights, without any (`meta`).
        tokenizer: Its tokenizer.
        workers: Training processes.
        usd_per_gpu_hour: Price of one device.

    Raises:
        PreconditionError: The training cannot work; the message says why.
    """
    import torch

    data = read_prepared(spec)
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    context = getattr(model.config, "max_position_embeddings", None)
    if not data.loss_tokens:
        raise PreconditionError("no token of the training data bears loss", hint="Look at the responses of the data.")
    if data.largest_id >= vocabulary:
        raise PreconditionError(
            f"the tokenizer gives id {data.largest_id}, but the model has only {vocabulary} embeddings",
            hint="Choose the tokenizer that belongs to the model.",
        )
    if context is not None and spec.sequence_length > context:
        raise PreconditionError(
            f"the sequence length {spec.sequence_length} is over the model's context of {context}",
            hint=f"Set sequence_length to {context} or less.",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    memory, free = memory_of(spec, model, data, workers), free_memory(device)
    needed = memory.total - (0 if spec.fsdp else memory.weights)  # else the weights are there already
    if free is not None and needed > free:
        raise PreconditionError(
            f"the training needs about {needed / 2**30:.1f} GiB"
            f"{'' if spec.fsdp else ' beside the weights'}, and {free / 2**30:.1f} are free",
            hint="Use an adapter, a smaller base, a shorter sequence_length or gradient checkpointing.",
        )
    parameters = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    plan = plan_steps(spec, data.rows, workers)
    together = plan.rows_per_step * plan.accumulation * plan.workers
    total = data.tokens * plan.steps * together / (math.ceil(data.rows / together) * together)
    per_token = _flops_per_token(model, parameters, trainable, spec)
    loss = seconds = None
    if spec.fsdp:
        peak = peak_flops(torch.cuda.get_device_name()) if device == "cuda" else None
        duration = None if peak is None else per_token * total / (peak.flops * ASSUMED * workers)
    else:
        loss, seconds = _tried(model, data.longest, device)
        duration = total * seconds / len(data.longest.ids) / workers
    return Preflight(
        examples=tuple(show(tokenizer, row.ids, row.labels) for row in data.first),
        rows=data.rows,
        tokens=data.tokens,
        loss_tokens=data.loss_tokens,
        steps=plan.steps,
        parameters=parameters,
        trainable=trainable,
        memory=memory,
        memory_free=free,
        flops_per_token=per_token,
        flops=per_token * total,
        loss=loss,
        micro_tokens=len(data.longest.ids),
        micro_seconds=seconds,
        seconds=duration,
        usd=None if usd_per_gpu_hour is None or duration is None else duration / 3600 * workers * usd_per_gpu_hour,
        device=device,
    )


def _tried(model: Any, row: Row, device: str) -> tuple[float, float]:
    """Loss and seconds of the micro-batch.

    Raises:
        PreconditionError: It does not fit, or the loss is no number.
    """
    import torch

    try:
        loss, seconds = _micro_batch(model, row, device)
    except torch.OutOfMemoryError as error:
        raise PreconditionError(
            f"one row of {len(row.ids)} tokens does not fit the memory of {device}",
            hint="Use an adapter, a smaller base, a shorter sequence_length or gradient checkpointing.",
        ) from error
    if not math.isfinite(loss):
        raise PreconditionError(
            f"the model's loss is {loss} before the first step", hint="Its weights are damaged; load the base again."
        )
    return loss, seconds


def _micro_batch(model: Any, row: Row, device: str) -> tuple[float, float]:
    """Loss of one row and the seconds of a forward and backward pass (the second of two); gradients are cleared."""
    import torch

    prompt_tuning = getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False)
    batch = {"input_ids": torch.tensor([row.ids], device=device), "labels": torch.tensor([row.labels], device=device)}
    if not prompt_tuning:  # prompt tuning puts its own positions before them
        batch["position_ids"] = torch.tensor([row.positions], device=device)
    training, loss, seconds = model.training, math.nan, 0.0
    model.train()
    try:
        for _ in range(2):
            started = time.perf_counter()
            result = model(**batch, use_cache=False).loss
            result.backward()
            loss = float(result.detach())
            seconds = time.perf_counter() - started
            model.zero_grad(set_to_none=True)
    finally:
        model.train(training)
    return loss, seconds


def _flops_per_token(model: Any, parameters: int, trainable: int, spec: TrainSpec) -> float:
    lookup = model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    tied = head is not None and head.weight is lookup
    working = parameters - (0 if tied else lookup.numel())
    attention = 3 * 2 * model.config.num_hidden_layers * model.config.hidden_size * spec.sequence_length
    return float(4 * working + 2 * min(trainable, working) + attention)
