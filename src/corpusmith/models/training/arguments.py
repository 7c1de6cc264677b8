"""A specification as arguments of transformers' Trainer."""

from __future__ import annotations

from typing import Any

import torch

from corpusmith.models.training.plan import Plan
from corpusmith.models.training.spec import TrainSpec

_DECAY = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def arguments_for(spec: TrainSpec, plan: Plan) -> dict[str, Any]:
    """Keyword arguments of `TrainingArguments` (and of TRL's `DPOConfig`, which extends it)."""
    cuda = torch.cuda.is_available()
    said: dict[str, Any] = {
        "output_dir": spec.output,
        "run_name": spec.run_name,
        "seed": spec.seed,
        "data_seed": spec.seed,
        "max_steps": plan.steps,
        "per_device_train_batch_size": plan.rows_per_step,
        "per_device_eval_batch_size": plan.rows_per_step,
        "gradient_accumulation_steps": plan.accumulation,
        "learning_rate": spec.schedule.learning_rate,
        "lr_scheduler_type": _DECAY[spec.schedule.decay],
        "warmup_steps": plan.warmup,
        "weight_decay": spec.schedule.weight_decay,
        "max_grad_norm": spec.schedule.max_grad_norm,
        "optim": "adamw_torch_fused" if cuda else "adamw_torch",
        "use_cpu": not cuda,
        "bf16": cuda and spec.dtype != "float32",
        "logging_strategy": "steps",
        "logging_steps": plan.log_every,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": spec.checkpoint_every,
        "eval_strategy": "no" if spec.holdout is None else "steps",
        "eval_steps": spec.checkpoint_every,
        "prediction_loss_only": True,
        "report_to": list(spec.report_to) or "none",
        "disable_tqdm": True,
        "log_level": "error",
        "log_level_replica": "error",
        "remove_unused_columns": False,
        "dataloader_pin_memory": cuda,
        "dataloader_num_workers": 2 if cuda else 0,
        "activation_checkpointing": spec.gradient_checkpointing and not spec.fsdp,
        "activation_checkpointing_kwargs": {"use_reentrant": False} if spec.gradient_checkpointing else None,
    }
    if spec.fsdp:
        said["fsdp"] = True
        said["fsdp_config"] = {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "SHARDED_STATE_DICT",
            "reshard_after_forward": True,
            "activation_checkpointing": spec.gradient_checkpointing,
        }
    return said
