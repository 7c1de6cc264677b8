"""The base model and its tokenizer, opened for training."""

from __future__ import annotations

from typing import Any

import torch

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.models.training.adapters import quantization
from corpusmith.models.training.spec import TrainSpec
from corpusmith.models.training.varlen import VARLEN, varlen_works


def dtype_for(spec: TrainSpec) -> torch.dtype:
    """In what type the weights are held.

    On CUDA frozen weights are bfloat16; weights that move, and sharded ones, are float32 under bfloat16 autocast.

    Raises:
        PreconditionError: bfloat16 was asked for without CUDA.
    """
    cuda = torch.cuda.is_available()
    if spec.dtype == "bfloat16" and not cuda:
        raise PreconditionError("bfloat16 needs an NVIDIA GPU, and none is here", hint="leave dtype at auto")
    if spec.dtype != "auto":
        return torch.bfloat16 if spec.dtype == "bfloat16" else torch.float32
    frozen = spec.adapter.kind != "none" or spec.start_adapter is not None
    return torch.bfloat16 if cuda and frozen and not spec.fsdp else torch.float32


def attention_for(spec: TrainSpec, dtype: torch.dtype) -> str:
    """The attention kernel: FlashAttention or torch's own for varying lengths on CUDA, else SDPA."""
    from transformers.utils.import_utils import is_flash_attn_2_available

    if not torch.cuda.is_available() or spec.method == "dpo" or spec.adapter.kind == "prompt":
        return "sdpa"
    if spec.dtype == "float32" and dtype == torch.float32:
        return "sdpa"
    if is_flash_attn_2_available():
        return "flash_attention_2"
    return VARLEN if varlen_works() else "sdpa"


def open_for_training(spec: TrainSpec) -> tuple[Any, Any]:
    """Load (model, tokenizer): safetensors only, no code of the model's own.

    Raises:
        NotFoundError: There is no such model.
        PreconditionError: It cannot be loaded safely, or has no tokenizer with an end-of-sequence token.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    dtype = dtype_for(spec)
    more: dict[str, Any] = {}
    if spec.adapter.kind == "qlora":
        more = {"quantization_config": quantization(), "device_map": {"": torch.cuda.current_device()}}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            spec.model,
            revision=spec.revision,
            dtype=dtype,
            attn_implementation=attention_for(spec, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            **more,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            spec.model, revision=spec.revision, trust_remote_code=False
        )
    except OSError as error:
        first = str(error).strip().splitlines()[0]
        raise NotFoundError(f"the model {spec.model} cannot be loaded: {first}", hint="check its name") from error
    if tokenizer.eos_token_id is None:
        raise PreconditionError(
            f"the tokenizer of {spec.model} has no end-of-sequence token", hint="choose another base model"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.use_cache = False
    return model, tokenizer
