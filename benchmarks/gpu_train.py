"""LoRA fine-tuning, tokens per second and MFU: our train function beside a plain transformers + PEFT loop.

    python benchmarks/gpu_train.py [--models qwen2.5-0.5b llama-3.2-1b llama-3.1-8b] [--steps 20] [--rows 8]
    python benchmarks/gpu_train.py --tiny          # a CPU will do

Random weights in the shapes of the models (nothing is downloaded), LoRA r = 16 on all linear layers, a sequence length
of 2,048, made-up examples of 30 to 700 tokens whose last third bears loss (as responses do).

    ours    examples packed into rows of 2,048 (next fit) and kept apart, loss in chunks at loss-bearing positions; the
            loop is `corpusmith.models.training`, as `train` runs it, without Ray, checkpoints and trackers
    plain   transformers' own loss on full logits, one example a row, padded to the longest in a batch of
            `--plain-rows`, AdamW, bfloat16 autocast on CUDA; what a page of Python does

Both count the same: useful tokens (without padding) and loss-bearing tokens per second after warm-up, and MFU = useful
tokens/s x FLOPs per token (models/flops.py: 4 N + 6 N_lora + causal attention over the mean attended length) over the
peak. The peak is the measured one of the device (H200: 790 TFLOP/s); on a CPU there is none. Goals on one H200: 25, 35
and 40 % for the three shapes. Needs torch, transformers, PEFT (and what they bring), pyarrow and pydantic; `src` is
found beside this file when the package is not installed.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "src"))

import numpy as np
import peft
import torch
import transformers
from transformers import TrainerCallback

from corpusmith.models.flops import ModelShape, flops_per_token, mfu, peak_flops, shape_of
from corpusmith.models.training.adapters import adapt
from corpusmith.models.training.checkpoints import Record
from corpusmith.models.training.memory import OUT_OF_MEMORY, peak_memory_bytes, release
from corpusmith.models.training.plan import plan_steps
from corpusmith.models.training.run import build
from corpusmith.models.training.spec import AdapterSettings, Schedule, TrainSpec
from corpusmith.models.training.varlen import VARLEN, varlen_works

RANK = 16


@dataclass(frozen=True)
class Shape:
    """A model's architecture, and the goal for its MFU on one H200."""

    config: transformers.PreTrainedConfig
    goal: float | None


def llama(layers: int, hidden: int, inner: int, heads: int, groups: int, vocab: int, tied: bool) -> Any:
    """A Llama configuration."""
    return transformers.LlamaConfig(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=8192, tie_word_embeddings=tied,
    )  # fmt: skip


QWEN = transformers.Qwen2Config(
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
    num_key_value_heads=2, max_position_embeddings=8192, tie_word_embeddings=True,
)  # fmt: skip
SHAPES = {
    "qwen2.5-0.5b": Shape(QWEN, 0.25),
    "llama-3.2-1b": Shape(llama(16, 2048, 8192, 32, 8, 128256, True), 0.35),
    "llama-3.1-8b": Shape(llama(32, 4096, 14336, 32, 8, 128256, False), 0.40),
    "tiny": Shape(llama(4, 128, 384, 4, 2, 8192, False), None),
}


@dataclass(frozen=True)
class Figure:
    """What one loop did after warm-up. Rates are per second."""

    name: str
    useful: float
    bearing: float
    padding: float
    mfu: float | None
    peak_bytes: int
    loss: float


def made_examples(count: int, vocab: int, longest: int) -> list[list[int]]:
    """Token ids of made-up examples, lengths log-uniform from `longest` / 24 to `longest` / 3."""
    rng = random.Random(0)
    draws = np.random.default_rng(0)
    return [
        draws.integers(5, vocab, int(longest / 24 * 8 ** rng.random())).astype(np.int64).tolist() for _ in range(count)
    ]


def bearing_from(ids: Sequence[int]) -> int:
    """First token of an example that bears loss."""
    return len(ids) * 2 // 3


def packed(examples: Sequence[list[int]], length: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Rows of at most `length` tokens, examples one after another."""
    rows: list[list[list[int]]] = [[]]
    for ids in examples:
        if sum(map(len, rows[-1])) + len(ids) > length:
            rows.append([])
        rows[-1].append(ids)
    return [
        {
            "input_ids": np.concatenate(row),
            "labels": np.concatenate([[-100] * bearing_from(ids) + ids[bearing_from(ids) :] for ids in row]),
            "position_ids": np.concatenate([np.arange(len(ids)) for ids in row]),
        }
        for row in rows
    ]


def attended(examples: Sequence[list[int]]) -> float:
    """Mean length of the example that a token stands in."""
    lengths = np.array([len(ids) for ids in examples], dtype=np.float64)
    return float((lengths**2).sum() / lengths.sum())


def open_random(shape: Shape, attention: str) -> tuple[Any, ModelShape]:
    """A model with random weights and a LoRA adapter, on the device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(
            shape.config, dtype=torch.bfloat16 if device == "cuda" else torch.float32, attn_implementation=attention
        )
    model.config.use_cache = False
    model = adapt(model, AdapterSettings(rank=RANK, alpha=2 * RANK), None, 0).to(device)
    return model, shape_of(model, model.config)


class Watch(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Takes the time and the counts after warm-up and at the end."""

    def __init__(self, trainer: Any, warmup: int) -> None:
        self.trainer, self.warmup = trainer, warmup
        self.marks: list[tuple[float, int, int]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Note where it stands."""
        if state.global_step in (self.warmup, state.max_steps):
            synchronize()
            self.trainer.drain()
            record = self.trainer.record
            self.marks.append((time.perf_counter(), record.tokens, record.loss_tokens))


def synchronize() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def figure(
    name: str, seconds: float, tokens: int, bearing: int, padded: int, shape: ModelShape, length: float, loss: float
) -> Figure:
    """Rates and MFU."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    per_token = flops_per_token(shape, length, full=False)
    rate = tokens / seconds
    share = 1 - tokens / padded
    used = mfu(per_token, rate, peak_flops(device))
    return Figure(name, rate, bearing / seconds, share, used, peak_memory_bytes(), loss)


def ours(shape: Shape, examples: list[list[int]], args: argparse.Namespace) -> Figure:
    """Our loop on packed rows."""
    cuda = torch.cuda.is_available()
    attention = VARLEN if varlen_works() else "sdpa"
    if cuda and transformers.utils.import_utils.is_flash_attn_2_available():
        attention = "flash_attention_2"
    model, counted = open_random(shape, attention)
    rows = packed(examples, args.length)
    with tempfile.TemporaryDirectory() as folder:
        spec = TrainSpec(
            method="sft", model="random", data="made", output=folder,
            adapter=AdapterSettings(rank=RANK, alpha=2 * RANK),
            schedule=Schedule(max_steps=args.steps + args.warmup, batch_tokens=args.rows * args.length),
            sequence_length=args.length, rows_per_step=args.rows, checkpoint_every=10**6,
        )  # fmt: skip
        record = Record()
        trainer, _ = build(spec, plan_steps(spec, len(rows)), model, None, rows, None, record, lambda _: None)
        trainer.args.save_strategy = transformers.trainer_utils.SaveStrategy.NO
        watch = Watch(trainer, args.warmup)
        trainer.add_callback(watch)
        trainer.train()
    (start, tokens0, bearing0), (end, tokens1, bearing1) = watch.marks
    padded = (tokens1 - tokens0) if attention != "sdpa" else args.steps * args.rows * args.length
    label = f"ours, packed, {attention}" + (f", {record.halvings} halvings" if record.halvings else "")
    losses = [point["loss"] for point in record.curve if point["loss"] is not None]
    return figure(
        label, end - start, tokens1 - tokens0, bearing1 - bearing0, padded, counted, attended(examples), losses[-1]
    )


def plain(shape: Shape, examples: list[list[int]], args: argparse.Namespace) -> Figure:
    """A plain loop: padded batches, full logits, the model's own loss. Half the rows when memory runs out."""
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    model, counted = open_random(shape, "sdpa")
    model.train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=2e-4, fused=cuda)
    rows = args.plain_rows
    steps, tokens, bearing, padded, start, at, loss = 0, 0, 0, 0, 0.0, 0, torch.tensor(0.0)
    wanted = (args.steps + args.warmup) * args.rows * args.length
    seen = 0
    while seen < wanted:
        group = [examples[(at + i) % len(examples)] for i in range(rows)]
        longest = max(map(len, group))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in group], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in group], device=device)
        labels = ids.masked_fill(mask == 0, -100)
        for line, row in zip(labels, group, strict=True):
            line[: bearing_from(row)] = -100
        try:
            with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
                loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
        except OUT_OF_MEMORY:
            if rows == 1:
                raise
            rows //= 2
            optimizer.zero_grad()
            release()
            continue
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        at += rows
        steps += 1
        real = sum(map(len, group))
        seen += real
        if seen <= args.warmup * args.rows * args.length:
            synchronize()
            start = time.perf_counter()
            continue
        start = start or time.perf_counter()
        tokens, padded = tokens + real, padded + ids.numel()
        bearing += sum(len(row) - bearing_from(row) for row in group)
    synchronize()
    return figure(
        f"plain, padded, {rows} rows", time.perf_counter() - start, tokens, bearing, padded, counted,
        attended(examples), float(loss.detach()),
    )  # fmt: skip


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[name for name in SHAPES if name != "tiny"], default=None)
    parser.add_argument("--tiny", action="store_true", help="one small model, sequence 512")
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps that are timed")
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--rows", type=int, default=8, help="packed rows in a pass of ours")
    parser.add_argument("--plain-rows", type=int, default=8, help="examples in a batch of the plain loop")
    parser.add_argument("--threads", type=int, default=None, help="threads on a CPU")
    args = parser.parse_args()
    args.length = 512 if args.tiny else 2048
    if args.threads:
        torch.set_num_threads(args.threads)
    names = ["tiny"] if args.tiny else args.models or [name for name in SHAPES if name != "tiny"]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({platform.machine()})"
    peak = peak_flops(device)
    said = "no peak known" if peak is None else f"peak {peak.flops / 1e12:.0f} TFLOP/s ({peak.source})"
    print(
        f"{device}, {said}; torch {torch.__version__}, transformers {transformers.__version__}, PEFT {peft.__version__}"
    )
    print(f"sequence {args.length}, LoRA r {RANK} all-linear, {args.rows} packed rows, {args.steps} steps\n")
    print("| model | loop | useful tokens/s | with loss/s | padding | MFU | goal | peak GB | loss |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        shape = SHAPES[name]
        needed = (args.steps + args.warmup) * args.rows * args.length
        examples = made_examples(max(64, needed * 11 // args.length), shape.config.vocab_size, args.length)
        for loop in (ours, plain):
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            f = loop(shape, examples, args)
            goal = "" if shape.goal is None else f"{shape.goal:.0%}"
            memory = f"{f.peak_bytes / 1e9:.1f}" if torch.cuda.is_available() else ""
            used = "" if f.mfu is None else f"{f.mfu:.1%}"
            print(
                f"| {name} | {f.name} | {f.useful:,.0f} | {f.bearing:,.0f} | {f.padding:.0%} | {used} | {goal} "
                f"| {memory} | {f.loss:.3f} |",
                flush=True,
            )
            gc.collect()
            release()


if __name__ == "__main__":
    main()
