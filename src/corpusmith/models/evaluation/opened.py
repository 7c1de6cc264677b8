"""A model in memory, made ready to be measured: its tokenizer's chat format, its context, plain greedy generation."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.tools import Dataset
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.loading import Device, ModelPlace, best_device, open_model, open_tokenizer, place_of

CONTEXT = 2048
"""Most tokens looked at where the caller names no limit: longer contexts cost more than they tell."""


@dataclass(frozen=True)
class OpenedModel:
    """What is measured.

    Attributes:
        model: A causal model of transformers, or PEFT's around one, in evaluation mode.
        form: Its tokenizer, and the chat format of its training.
        context: Most tokens of one sequence, virtual tokens of a learned prompt left out.
        virtual: Virtual tokens that stand before every sequence (prompt tuning).
        ends: Token ids that end an answer.
        plain_head: Whether its logits are `head(hidden)`, so that the head may run over chosen positions alone.
        manifest: What the artifact says of it; None for a bare folder.
    """

    model: Any
    form: ChatFormat
    context: int
    virtual: int
    ends: tuple[int, ...]
    plain_head: bool
    manifest: ModelManifest | None = None

    @property
    def device(self) -> Any:
        """Where its weights are."""
        return self.model.device

    @property
    def parameters(self) -> int:
        """All parameters, the adapter's included."""
        return sum(int(weight.numel()) for weight in self.model.parameters())


def open_artifact(
    artifact: Dataset,
    base: Dataset | None = None,
    *,
    context: int | None = None,
    device: Device = "auto",
    access: HubAccess | None = None,
) -> OpenedModel:
    """Open a model artifact.

    Args:
        artifact: The model.
        base: Its base, needed when it is an adapter.
        context: Most tokens of a sequence; None = the model's own, at most `CONTEXT`.
        device: Where to compute.
        access: To the hub, for what is not in the local cache.

    Raises:
        PreconditionError, SourceError, NotFoundError: As `models.loading.open_model` and `place_of`.
    """
    return open_place(place_of(artifact, base), context=context, device=device, access=access)


def open_place(
    place: ModelPlace, *, context: int | None = None, device: Device = "auto", access: HubAccess | None = None
) -> OpenedModel:
    """Open a model by its place; `open_artifact` explains the arguments."""
    model, tokenizer = open_model(place, device=device, access=access)
    return made_ready(model, tokenizer, context, place.manifest)


def open_folder(folder: Path, *, context: int | None = None, device: Device = "auto") -> OpenedModel:
    """Open a transformers folder that is no artifact (yet); nothing is compared with a record."""
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    return made_ready(model.to(best_device(device)).eval(), open_tokenizer(folder), context)


def made_ready(
    model: Any, tokenizer: Any, context: int | None = None, manifest: ModelManifest | None = None
) -> OpenedModel:
    """Wrap an open model and tokenizer; its own settings for sampling are put aside, so that generation is greedy.

    Raises:
        PreconditionError: The tokenizer has no EOS token, or is not a fast one.
    """
    from corpusmith.models.training.loss import head_is_all

    transformers: Any = import_module("transformers")
    form = ChatFormat(tokenizer)
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    said = getattr(causal.generation_config, "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(said if isinstance(said, list) else [] if said is None else [said])}
    causal.generation_config = transformers.GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, eos_token_id=sorted(ends)
    )
    if causal is not model:
        model.generation_config = causal.generation_config
    virtual = _virtual_tokens(model)
    limit = getattr(causal.config, "max_position_embeddings", None) or CONTEXT
    wanted = min(limit, context or CONTEXT)
    plain = not virtual and head_is_all(causal)
    return OpenedModel(model, form, max(8, wanted - virtual), virtual, tuple(sorted(ends)), plain, manifest)


def _virtual_tokens(model: Any) -> int:
    """Tokens that prompt tuning puts before each sequence."""
    configs = getattr(model, "peft_config", None) or {}
    return sum(int(getattr(config, "num_virtual_tokens", 0) or 0) for config in configs.values())
