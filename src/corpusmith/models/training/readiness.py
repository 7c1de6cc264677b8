"""Just before a training: the model opened as it will be trained, rows per pass that fit the memory, the preflight."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from corpusmith.core.errors import PreconditionError
from corpusmith.models.loading import best_device
from corpusmith.models.preflight import Preflight, free_memory, memory_of, run_preflight
from corpusmith.models.prepared import read_prepared
from corpusmith.models.training.spec import TrainSpec

PASS_TOKENS = 8_192
"""Tokens of one forward and backward pass at most; more make nothing faster on the devices that were measured."""
MEMORY_FRAC = 0.8
"""Share of the free memory that an estimate may fill."""


def make_ready(spec: TrainSpec, workers: int = 1, usd_per_gpu_hour: float | None = None) -> tuple[TrainSpec, Preflight]:
    """Try a training, without a step of it.

    Args:
        spec: The training; its `rows_per_step` is where the search begins.
        workers: Training processes.
        usd_per_gpu_hour: Price of one device.

    Returns:
        The specification with rows per pass that fit, and what was seen.

    Raises:
        PreconditionError: It cannot work; the message says why.
        NotFoundError, ParameterError: The model cannot be loaded, or adapter targets name none of its modules.
    """
    from corpusmith.models.training.adapters import check_adapter
    from corpusmith.models.training.memory import release

    check_adapter(spec.adapter, spec.fsdp)
    model, tokenizer = _shape_only(spec) if spec.fsdp else _opened(spec)
    try:
        data, free = read_prepared(spec), free_memory("cuda" if best_device() == "cuda" else "cpu")
        rows = max(1, min(spec.rows_per_step, PASS_TOKENS // spec.sequence_length, data.rows))
        spec = spec.model_copy(update={"rows_per_step": rows})
        while free is not None and spec.rows_per_step > 1:
            memory = memory_of(spec, model, data, workers)
            if memory.total - memory.weights <= MEMORY_FRAC * free:
                break
            spec = spec.model_copy(update={"rows_per_step": spec.rows_per_step // 2})
        return spec, run_preflight(spec, model, tokenizer, workers=workers, usd_per_gpu_hour=usd_per_gpu_hour)
    finally:
        del model
        release()


def _opened(spec: TrainSpec) -> tuple[Any, Any]:
    """(model with its adapter, on the device that trains; tokenizer)."""
    import torch

    from corpusmith.models.training.adapters import adapt
    from corpusmith.models.training.opening import open_for_training

    model, tokenizer = open_for_training(spec)
    model = adapt(model, spec.adapter, spec.start_adapter, spec.seed)
    if spec.adapter.kind != "qlora" and torch.cuda.is_available():
        try:
            model = model.to("cuda")
        except torch.OutOfMemoryError as error:
            raise PreconditionError(
                "the model's weights do not fit one device", hint="Shard them (fsdp), or take a smaller base."
            ) from error
    return model, tokenizer


def _shape_only(spec: TrainSpec) -> tuple[Any, Any]:
    """The same without any weights, for a model that no single device takes."""
    import torch

    from corpusmith.models.training.adapters import adapt
    from corpusmith.models.training.opening import dtype_for

    transformers: Any = import_module("transformers")

    config = transformers.AutoConfig.from_pretrained(spec.model, revision=spec.revision, trust_remote_code=False)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype_for(spec), trust_remote_code=False)
        model = adapt(model, spec.adapter, None, spec.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(spec.model, revision=spec.revision, trust_remote_code=False)
    return model, tokenizer
