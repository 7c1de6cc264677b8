"""Which weights move: LoRA, DoRA, QLoRA, prompt tuning, or all."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import torch

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.models.training.spec import AdapterSettings

HEADS = ("lm_head", "embed_out", "output_layer")


def check_adapter(settings: AdapterSettings, fsdp: bool = False) -> None:
    """Refuse what cannot work here, before anything is loaded.

    Raises:
        PreconditionError: QLoRA without CUDA or without bitsandbytes; QLoRA or prompt tuning on sharded weights (the
            embedding of PEFT's prompt stays whole beside the sharded ones, and torch refuses the mixture).
        ParameterError: The head is among the targets.
    """
    if fsdp and settings.kind in ("qlora", "prompt"):
        raise PreconditionError(f"the adapter {settings.kind} cannot train on sharded weights", hint="use lora or dora")
    if settings.kind == "qlora":
        if not torch.cuda.is_available():
            raise PreconditionError("QLoRA needs an NVIDIA GPU, and none is here", hint="use the adapter lora")
        if find_spec("bitsandbytes") is None:
            raise PreconditionError("QLoRA needs bitsandbytes", hint="pip install bitsandbytes, or use lora")
    for target in settings.targets:
        if target.rsplit(".", 1)[-1] in HEADS:
            raise ParameterError(f"the adapter may not target the head {target}", hint="use targets: [all-linear]")


def peft_config(settings: AdapterSettings) -> Any:
    """The PEFT configuration of an adapter that is not `none`."""
    import peft

    if settings.kind == "prompt":
        return peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=settings.virtual_tokens)
    targets: Any = "all-linear" if settings.targets == ("all-linear",) else list(settings.targets)
    return peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        use_dora=settings.kind == "dora",
    )


def quantization() -> Any:
    """4-bit NF4 with double quantization (QLoRA, Dettmers et al. 2023, arXiv:2305.14314)."""
    import transformers

    return transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call,unused-ignore]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def adapt(model: Any, settings: AdapterSettings, start: str | None, seed: int) -> Any:
    """Put a new adapter on the model, or go on with the one in the folder `start`. New weights follow from `seed`.

    Raises:
        ParameterError: A target names no module of this model.
    """
    import peft

    # PEFT 0.21 asks transformers 5.23 by a name that is about to change.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    if settings.kind == "qlora":
        prepare: Any = peft.prepare_model_for_kbit_training
        model = prepare(model, use_gradient_checkpointing=False)
    if start is not None:
        return _without_card(peft.PeftModel.from_pretrained(model, start, is_trainable=True))
    if settings.kind == "none":
        return model
    torch.manual_seed(seed)
    try:
        return _without_card(peft.get_peft_model(model, peft_config(settings)))
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        raise ParameterError(
            f"adapter targets {', '.join(settings.targets)}: no such module in the model", hint="use all-linear"
        ) from error


def _without_card(model: Any) -> Any:
    """PEFT would write a card with every checkpoint, which takes longer than the weights; it is another step's work."""
    model.create_or_update_model_card = lambda _folder: None
    return model
