"""`train`: one training from a specification to a finished model, in this process.

Runs alone on one worker, and inside each worker of Ray Train (the process group is theirs then). Needs the extra
`train`; TRL only for DPO.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.flops import flops_per_token, mfu, peak_flops, shape_of
from corpusmith.models.training.extra import need_training_libraries
from corpusmith.models.training.plan import Plan, plan_steps
from corpusmith.models.training.spec import CurvePoint, TrainOutcome, TrainSpec

if TYPE_CHECKING:
    from corpusmith.models.training.checkpoints import Record
    from corpusmith.models.training.data import DataFacts

VERSIONED = ("corpusmith", "torch", "transformers", "peft", "accelerate", "trl", "datasets", "tokenizers")


def train(
    spec: TrainSpec,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
    on_checkpoint: Callable[[Path, int, dict[str, Any]], None] | None = None,
    resume: Path | None = None,
) -> TrainOutcome:
    """Train.

    Args:
        spec: What to train.
        emit: Takes progress lines.
        cancel: Asked after each optimizer step; a stop writes a checkpoint first.
        on_checkpoint: Called in every worker with (folder, step, metrics) when a checkpoint is complete.
        resume: Checkpoint to go on from; None = the newest in `spec.output`, if there is one.

    Returns:
        What it left behind. A loss that is NaN means that the training broke down: the model is of no use.

    Raises:
        PreconditionError: It cannot work (no library, no GPU for QLoRA, no example, one row does not fit the memory).
        SourceError, NotFoundError, ParameterError: Data, model or adapter targets are not what was said.
        WorkspaceError: The disk is full; the last complete checkpoint is still there.
        Cancelled, BudgetExceeded: As `cancel` said; a later call goes on from the checkpoint.
    """
    need_training_libraries(*(["trl"] if spec.method == "dpo" else []), "datasets")
    import torch

    from corpusmith.models.training import checkpoints, data
    from corpusmith.models.training.adapters import adapt, check_adapter
    from corpusmith.models.training.final import write_final
    from corpusmith.models.training.opening import open_for_training

    check_adapter(spec.adapter, spec.fsdp)
    facts = data.look_at(spec.data, spec.method)
    output = Path(spec.output)
    start = checkpoints.to_resume(spec, resume)
    record = checkpoints.Record() if start is None else checkpoints.read_record(start)
    workers = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    plan = plan_steps(spec, facts.rows, workers)
    with checkpoints.full_disk_is_told(output):
        output.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(spec.seed)
        model, tokenizer = open_for_training(spec)
        if facts.largest_id >= model.get_input_embeddings().weight.shape[0]:
            raise PreconditionError(
                f"the prepared data have token ids that {spec.model} does not know",
                hint="prepare them with this model's tokenizer",
            )
        model = adapt(model, spec.adapter, spec.start_adapter, spec.seed)
        shape = shape_of(model, model.config)
        cache = output / ".rows"
        rows = data.open_rows(spec.data, spec.method, cache)
        holdout = None if spec.holdout is None else data.open_rows(spec.holdout, spec.method, cache)
    trainer, progress = build(spec, plan, model, tokenizer, rows, holdout, record, emit, cancel, on_checkpoint)
    emit(_opening_line(spec, plan, facts, start))
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    before = record.tokens
    trainer.train(resume_from_checkpoint=None if start is None else str(start))
    trainer.drain()
    if progress.stopped is not None:
        raise progress.stopped
    if holdout is not None and not progress.diverged and not _measured(record, trainer.state.global_step):
        trainer.evaluate()
    final = write_final(trainer, output, Path(spec.model).is_dir())
    shutil.rmtree(cache, ignore_errors=True)
    per_token = flops_per_token(
        shape, facts.attended, full=spec.adapter.kind == "none" and spec.start_adapter is None,
        preference=spec.method == "dpo",
    )  # fmt: skip
    here = trainer.clock.seconds
    rate = (record.tokens - before) / here if here > 0 else 0.0
    return _outcome(plan, record, trainer, final, per_token, rate, start)


def build(
    spec: TrainSpec,
    plan: Plan,
    model: Any,
    tokenizer: Any,
    rows: Any,
    holdout: Any,
    record: Record,
    emit: Callable[[str], None],
    cancel: Cancel | None = None,
    on_checkpoint: Callable[[Path, int, dict[str, Any]], None] | None = None,
) -> tuple[Any, Any]:
    """Put (trainer, progress) together from parts that are open already; `trainer.train()` runs it."""
    import transformers

    from corpusmith.models.training.arguments import arguments_for
    from corpusmith.models.training.batches import RowCollator
    from corpusmith.models.training.loss import bear_loss
    from corpusmith.models.training.progress import Clock, Progress
    from corpusmith.models.training.trainer import RowTrainer
    from corpusmith.models.training.varlen import VARLEN

    said = arguments_for(spec, plan)
    trainer: Any
    if spec.method == "dpo":
        from trl.trainer.dpo_config import DPOConfig

        from corpusmith.models.training.preference import PreferenceTrainer

        config = DPOConfig(**said, beta=spec.schedule.dpo_beta, max_length=None, gradient_checkpointing=False)
        trainer = PreferenceTrainer(
            model=model, args=config, train_dataset=rows, eval_dataset=holdout, processing_class=tokenizer
        )
    else:
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        bear_loss(causal)
        flat = causal.config._attn_implementation in ("flash_attention_2", VARLEN)
        pad = tokenizer.pad_token_id if tokenizer is not None else 0
        trainer = RowTrainer(
            model=model,
            args=transformers.TrainingArguments(**said),
            data_collator=RowCollator(pad=pad, flat=flat, plain=spec.adapter.kind == "prompt"),
            train_dataset=rows,
            eval_dataset=holdout,
            processing_class=tokenizer,
        )
    trainer.remove_callback(transformers.PrinterCallback)
    clock = Clock()
    trainer.attach(spec, record, clock, emit, on_checkpoint)
    progress = Progress(plan, record, clock, trainer.drain, emit, cancel)
    trainer.add_callback(progress)
    return trainer, progress


def _opening_line(spec: TrainSpec, plan: Plan, facts: DataFacts, start: Path | None) -> str:
    whence = "" if start is None else f", from {start.name}"
    return (
        f"{spec.method} ({spec.adapter.kind}): {facts.rows:,} rows, {plan.steps:,} steps of {plan.workers} x "
        f"{plan.rows_per_step} rows x {plan.accumulation}{whence}"
    )


def _measured(record: Record, step: int) -> bool:
    return any(point["step"] == step and point["holdout_loss"] is not None for point in record.curve)


def _outcome(
    plan: Plan,
    record: Record,
    trainer: Any,
    final: Path,
    per_token: float,
    rate: float,
    start: Path | None,
) -> TrainOutcome:
    from corpusmith.models.training.checkpoints import step_of
    from corpusmith.models.training.memory import peak_memory_bytes
    from corpusmith.models.training.progress import device_name, last_loss

    holdouts = [point["holdout_loss"] for point in record.curve if point["holdout_loss"] is not None]
    return TrainOutcome(
        steps=trainer.state.global_step,
        final=str(final),
        curve=tuple(CurvePoint(**point) for point in record.curve),
        loss=last_loss(record, plan.steps),
        holdout_loss=holdouts[-1] if holdouts else None,
        tokens=record.tokens,
        loss_tokens=record.loss_tokens,
        seconds=trainer.seconds_in_all,
        tokens_per_s=rate,
        mfu=mfu(per_token, rate, peak_flops(device_name()), plan.workers),
        flops_per_token=per_token,
        peak_memory_bytes=peak_memory_bytes(),
        workers=plan.workers,
        rows_per_step=-(-plan.rows_per_step // record.parts),
        halvings=record.halvings,
        resumed_from=None if start is None else step_of(start),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
