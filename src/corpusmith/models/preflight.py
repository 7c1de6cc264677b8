"""Before a device's hour is spent: show what will be learned, estimate what it takes, try one micro-batch, refuse.

Memory: weights + gradients and two float32 moments of Adam for what is trained + activations + logits of the tokens
that bear loss. Activations without recomputation are 34 bytes x hidden size a token and layer at two bytes a number
(Korthikanti et al. 2022, attention matrices left out: none is stored). FLOPs a token: 2N forward, 2N back through the
activations, 2N for the weights' gradients (only what is trained), attention 6 x layers x heads x head size x length
on average over causal positions; N without the embedding lookup. Time comes from the micro-batch on this device.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training.spec import Adapter, Method, TrainSpec

SHOWN = 3
OPEN, CLOSE = "⟦", "⟧"
NO_LOSS = -100
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
    loss: float = Field(description="of the micro-batch, before any step")
    micro_tokens: int
    micro_seconds: float
    seconds: float
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
            f"time        about {self.seconds:.0f} s on {self.device}"
            f" ({self.micro_tokens} tokens took {self.micro_seconds:.3f} s)",
            f"money       {'no price is known' if self.usd is None else f'about {self.usd:.2f} USD'}",
            f"loss        {self.loss:.4f} before the first step",
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


def steps_of(rows: int, spec: TrainSpec, workers: int = 1) -> int:
    """Optimizer steps of the training, about."""
    if spec.schedule.max_steps is not None:
        return spec.schedule.max_steps
    together = max(spec.rows_per_step * workers, spec.schedule.batch_tokens // spec.sequence_length, 1)
    return max(1, math.ceil(rows * spec.schedule.epochs / together))


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
        model: What will be trained, with its adapter, on its device.
        tokenizer: Its tokenizer.
        workers: Training processes, for time and money.
        usd_per_gpu_hour: Price of one device.

    Raises:
        PreconditionError: The training cannot work; the message says why.
    """
    import torch

    data = read_prepared(spec)
    config = model.config
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    context = getattr(config, "max_position_embeddings", None)
    highest = max(max(row) for row in data.ids)
    if not data.loss_tokens:
        raise PreconditionError("no token of the training data bears loss", hint="Look at the responses of the data.")
    if highest >= vocabulary:
        raise PreconditionError(
            f"the tokenizer gives id {highest}, but the model has only {vocabulary} embeddings",
            hint="Choose the tokenizer that belongs to the model.",
        )
    if context is not None and spec.sequence_length > context:
        raise PreconditionError(
            f"the sequence length {spec.sequence_length} is over the model's context of {context}",
            hint=f"Set sequence_length to {context} or less.",
        )
    device = str(next(model.parameters()).device)
    parameters = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    tokens_a_row = max(len(row) for row in data.ids)
    memory = estimate_memory(
        parameters=parameters,
        trainable=trainable,
        bytes_each=next(model.parameters()).element_size(),
        tokens=spec.rows_per_step * tokens_a_row,
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        vocabulary=vocabulary,
        loss_tokens=spec.rows_per_step * max(sum(label != NO_LOSS for label in row) for row in data.labels),
        recompute=spec.gradient_checkpointing,
    )
    free = free_memory(device)
    needed = memory.total - memory.weights  # the weights are there already
    if free is not None and needed > free:
        raise PreconditionError(
            f"the training needs about {needed / 2**30:.1f} GiB beside the weights, and {free / 2**30:.1f} are free",
            hint="Use an adapter, a smaller base, a shorter sequence_length or gradient checkpointing.",
        )
    longest = max(range(len(data.ids)), key=lambda at: len(data.ids[at]))
    try:
        loss, seconds = _micro_batch(model, data.ids[longest], data.labels[longest], data.positions[longest], device)
    except torch.OutOfMemoryError as error:
        raise PreconditionError(
            f"one row of {tokens_a_row} tokens does not fit the memory of {device}",
            hint="Use an adapter, a smaller base, a shorter sequence_length or gradient checkpointing.",
        ) from error
    if not math.isfinite(loss):
        raise PreconditionError(
            f"the model's loss is {loss} before the first step", hint="Its weights are damaged; load the base again."
        )
    steps, per_token = steps_of(len(data.ids), spec, workers), _flops_per_token(model, parameters, trainable, spec)
    passes = steps * max(spec.schedule.batch_tokens / spec.sequence_length, 1) / len(data.ids)
    total = data.tokens * (spec.schedule.epochs if spec.schedule.max_steps is None else passes)
    duration = total * seconds / len(data.ids[longest]) / workers
    return Preflight(
        examples=tuple(
            show(tokenizer, ids, labels) for ids, labels in zip(data.ids[:SHOWN], data.labels[:SHOWN], strict=True)
        ),
        rows=len(data.ids),
        tokens=data.tokens,
        loss_tokens=data.loss_tokens,
        steps=steps,
        parameters=parameters,
        trainable=trainable,
        memory=memory,
        memory_free=free,
        flops_per_token=per_token,
        flops=per_token * total,
        loss=loss,
        micro_tokens=len(data.ids[longest]),
        micro_seconds=seconds,
        seconds=duration,
        usd=None if usd_per_gpu_hour is None else duration / 3600 * workers * usd_per_gpu_hour,
        device=device,
    )


@dataclass(frozen=True)
class Prepared:
    """Prepared rows as lists; a preference pair counts as its prompt with the chosen response."""

    ids: list[list[int]]
    labels: list[list[int]]
    positions: list[list[int]]

    @property
    def tokens(self) -> int:
        """Tokens of one pass."""
        return sum(map(len, self.ids))

    @property
    def loss_tokens(self) -> int:
        """Of those, the ones that bear loss."""
        return sum(label != NO_LOSS for row in self.labels for label in row)


def read_prepared(spec: TrainSpec) -> Prepared:
    """The prepared data of a training.

    Raises:
        PreconditionError: It holds no row.
    """
    table = pq.read_table(spec.data)
    if not table.num_rows:
        raise PreconditionError("no example is left to train on", hint="See the step's counts for what was dropped.")
    if spec.method != "dpo":
        return Prepared(*(table.column(name).to_pylist() for name in ("input_ids", "labels", "position_ids")))
    prompts, chosen = table.column("prompt_ids").to_pylist(), table.column("chosen_ids").to_pylist()
    ids = [[*prompt, *said] for prompt, said in zip(prompts, chosen, strict=True)]
    labels = [[NO_LOSS] * len(prompt) + said for prompt, said in zip(prompts, chosen, strict=True)]
    return Prepared(ids, labels, [list(range(len(row))) for row in ids])


def _micro_batch(
    model: Any, ids: list[int], labels: list[int], positions: list[int], device: str
) -> tuple[float, float]:
    """Loss of one row and the seconds of a forward and backward pass (the second of two); gradients are cleared."""
    import torch

    prompt_tuning = getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False)
    batch = {"input_ids": torch.tensor([ids], device=device), "labels": torch.tensor([labels], device=device)}
    if not prompt_tuning:  # prompt tuning puts its own positions before them
        batch["position_ids"] = torch.tensor([positions], device=device)
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
