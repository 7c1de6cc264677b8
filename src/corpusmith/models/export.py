"""A model as a folder that others can open: whole weights with adapters merged in, or the adapter alone.

Safetensors, tokenizer and chat template as they were trained with, and a model card. The folder appears whole, by one
rename. A merge is proved before it is written: the merged model must answer a probe as base and adapter do.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from corpusmith.core.errors import CorpusmithError, ParameterError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models.digests import same_model
from corpusmith.models.loading import ModelPlace, checked_folders
from corpusmith.models.training.checkpoints import full_disk_is_told
from corpusmith.models.training.extra import need_training_libraries

Form = Literal["merged", "adapter"]
CARD = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
PROBE_TOKENS = 32
TOLERANCE = 1e-3
"""Largest difference of a merged logit, relative to the largest logit of the probe, in float32."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "adapter_*", "*.bin", "*.pt", "training_args*")


@dataclass(frozen=True)
class Exported:
    """What was written: `form` is `full` where there was nothing to merge."""

    path: Path
    form: Literal["merged", "adapter", "full"]
    files: int
    size_bytes: int


def form_of(manifest: ModelManifest, wanted: Form) -> Literal["merged", "adapter", "full"]:
    """What an export of this model will be.

    Raises:
        ParameterError: An adapter is asked of a model that is none.
    """
    if manifest.kind == "adapter":
        return wanted
    if wanted == "adapter":
        raise ParameterError(f"{manifest.name} is no adapter but whole weights", hint="Export it with --as merged.")
    return "full"


def check_target(target: Path) -> None:
    """Refuse to write over something.

    Raises:
        ParameterError: The target exists, or its folder does not.
    """
    if target.exists():
        raise ParameterError(f"{target} exists already", hint="Name a folder that does not exist.")
    if not target.parent.is_dir():
        raise ParameterError(f"the folder {target.parent} does not exist", hint="Make it first.")


def export_model(place: ModelPlace, target: Path, wanted: Form, card: str) -> Exported:
    """Write a model to a folder that does not exist; the files are compared with their digests first.

    Args:
        place: From `loading.place_of`.
        target: The folder.
        wanted: `merged` = whole weights, `adapter` = the adapter alone.
        card: README.md.

    Raises:
        ParameterError: The target exists, or the model has no such form.
        PreconditionError: It cannot be merged, or its files are not those on record.
        SourceError: A file is damaged, or the hub cannot be reached.
        WorkspaceError: The disk is full.
    """
    check_target(target)
    form = form_of(place.manifest, wanted)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with full_disk_is_told(target.parent):
            _WRITERS[form](place, draft)
            (draft / CARD).write_text(card, encoding="utf-8")
            draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    return Exported(target, form, len(sizes), sum(sizes))


def _write_full(place: ModelPlace, draft: Path) -> None:
    shutil.copytree(checked_folders(place)[0], draft)


def _write_adapter(place: ModelPlace, draft: Path) -> None:
    """The adapter; its configuration names the base where it is one that others can get: a hub id."""
    adapter = _adapter(place)
    if not same_model(adapter, place.manifest.digest):
        raise PreconditionError(f"the files of {place.manifest.name} are not those on record", hint="Make it anew.")
    shutil.copytree(adapter, draft)
    public = not Path(place.model).is_absolute()
    said = json.loads((draft / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    said["base_model_name_or_path"] = place.model if public else None
    said["revision"] = place.revision if public else None
    (draft / ADAPTER_CONFIG).write_text(json.dumps(said, indent=2, sort_keys=True), encoding="utf-8")


def _write_merged(place: ModelPlace, draft: Path) -> None:
    adapter = _adapter(place)
    kind = str(json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8")).get("peft_type"))
    if kind != "LORA":  # LoRA and DoRA; a learned prompt has no weights to add to those of the base
        raise PreconditionError(
            f"{place.manifest.name} is a {kind.replace('_', ' ').lower()} adapter, which cannot be merged into weights",
            hint="Export it with --as adapter; it works together with its base.",
        )
    merge(checked_folders(place)[0], adapter).save_pretrained(draft)
    shutil.copytree(adapter, draft, ignore=shutil.ignore_patterns(*_WEIGHTS, CARD), dirs_exist_ok=True)


_WRITERS = {"full": _write_full, "adapter": _write_adapter, "merged": _write_merged}


def _adapter(place: ModelPlace) -> Path:
    if place.adapter is None:
        raise PreconditionError(f"{place.manifest.name} is no adapter", hint="Export it with --as merged.")
    return Path(place.adapter)


def merge(base: Path, adapter: Path) -> Any:
    """The base with the adapter added to its weights; computed in float32, handed back in the base's own type.

    Raises:
        PreconditionError: A library is missing, or the adapter does not fit the base.
        CorpusmithError: The merged model does not answer as base and adapter do.
    """
    need_training_libraries()
    import peft
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        base, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    own_type = getattr(model.config, "dtype", None) or torch.float32
    try:
        adapted = peft.PeftModel.from_pretrained(model.float(), str(adapter))
    except (RuntimeError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise PreconditionError(f"the adapter does not fit its base: {first}", hint="Give its own base.") from error
    adapted.eval()
    probe = torch.arange(PROBE_TOKENS).unsqueeze(0) % model.get_input_embeddings().weight.shape[0]
    with torch.no_grad():
        before = adapted(input_ids=probe).logits
        merged: Any = adapted.merge_and_unload(safe_merge=True)
        after = merged(input_ids=probe).logits
    off, scale = (before - after).abs().max().item(), before.abs().max().item()
    if not off <= TOLERANCE * max(scale, 1.0):
        raise CorpusmithError(f"merging changed what the model answers: a logit by {off:.3g} of {scale:.3g}")
    return merged.to(own_type)
