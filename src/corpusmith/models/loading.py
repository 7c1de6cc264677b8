"""Opening a model artifact: where its files lie, whether they are still those on record, and into memory.

`place_of` reads manifests only; `checked_folders` finds the files (a hub model comes from the local cache, or is
downloaded into it) and compares digests; `open_model` loads. Safetensors only, no code of the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from corpusmith.core.errors import PreconditionError
from corpusmith.core.model_manifest import MANIFEST_NAME, MODEL_FOLDER, ModelManifest
from corpusmith.core.tools import Dataset
from corpusmith.models.digests import same_model
from corpusmith.models.hub_fetch import snapshot_folder
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.training.extra import need_training_libraries

Device = Literal["auto", "cuda", "mps", "cpu"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ModelPlace:
    """Where a model is.

    Attributes:
        model: Folder (absolute) or hub id of the full model: the base, when there is an adapter.
        revision: Commit of the hub repository.
        adapter: Folder of the adapter.
        manifest: Of the artifact that was asked for.
        base: Manifest of the base, when there is an adapter.
    """

    model: str
    revision: str | None
    adapter: str | None
    manifest: ModelManifest
    base: ModelManifest | None = None

    @property
    def full(self) -> ModelManifest:
        """The manifest that `model` must agree with."""
        return self.base or self.manifest


def manifest_of(artifact: Dataset) -> ModelManifest:
    """The manifest of a model artifact.

    Raises:
        PreconditionError: The artifact is no model, or its manifest is damaged.
    """
    try:
        return ModelManifest.model_validate_json(artifact.file(MANIFEST_NAME).read_bytes())
    except ValidationError as error:
        raise PreconditionError(f"model artifact {artifact.id} has no valid manifest", hint="Make it anew.") from error


def place_of(artifact: Dataset, base: Dataset | None = None) -> ModelPlace:
    """Where a model artifact's weights are.

    Args:
        artifact: The model.
        base: Its base model, needed when it is an adapter; else ignored.

    Raises:
        NotFoundError: The artifact is no model.
        PreconditionError: It is an adapter and its base was not given, or another one; or it is hosted.
    """
    manifest = manifest_of(artifact)
    if manifest.kind == "hosted":
        raise PreconditionError(
            f"{manifest.name} is a model at its provider: there are no weights to open", hint="Ask it over HTTP."
        )
    if manifest.kind != "adapter":
        return ModelPlace(_location(artifact, manifest), manifest.revision, None, manifest)
    if base is None:
        raise PreconditionError(
            f"{manifest.name} is an adapter and needs its base model {manifest.base}",
            hint=f"Give the artifact {manifest.base} in the role `base`.",
        )
    below = manifest_of(base)
    if below.kind in ("adapter", "hosted"):
        raise PreconditionError(
            f"the base {below.name} is itself {below.kind}", hint=f"Give the artifact {manifest.base}, or merge it."
        )
    if manifest.base_digest != below.digest:
        raise PreconditionError(
            f"{manifest.name} was trained on another base than {below.name} ({base.id})",
            hint=f"Give the artifact {manifest.base} in the role `base`.",
            wanted=manifest.base_digest,
            found=below.digest,
        )
    return ModelPlace(
        _location(base, below), below.revision, str(artifact.file(MODEL_FOLDER).absolute()), manifest, below
    )


def _location(artifact: Dataset, manifest: ModelManifest) -> str:
    if manifest.kind == "full":
        return str(artifact.file(MODEL_FOLDER).absolute())
    if manifest.location is None:
        raise PreconditionError(f"the manifest of {manifest.name} says no location", hint="Make the artifact anew.")
    return manifest.location


def checked_folders(place: ModelPlace, access: HubAccess | None = None) -> tuple[Path, Path | None]:
    """Local folders of (full model, adapter), their digests compared with the manifests.

    Args:
        place: From `place_of`.
        access: To the hub, for what is not in the local cache.

    Raises:
        PreconditionError: The files are gone or are no longer those on record.
        SourceError: A file is damaged, or the hub cannot be reached.
    """
    local = Path(place.model)
    folder = local if local.is_absolute() else snapshot_folder(place.model, place.revision, access)
    _compare(folder, place.full)
    adapter = None if place.adapter is None else Path(place.adapter)
    if adapter is not None:
        _compare(adapter, place.manifest)
    return folder, adapter


def _compare(folder: Path, manifest: ModelManifest) -> None:
    if not folder.is_dir():
        raise PreconditionError(f"the model {manifest.name} is no longer at {folder}", hint="Put it back, or make it.")
    if not same_model(folder, manifest.digest):
        raise PreconditionError(
            f"the files of {manifest.name} in {folder} are not those on record",
            hint="Run the step `base` again to take them as a new model.",
            digest=manifest.digest,
        )


def best_device(wanted: Device = "auto") -> str:
    """The device to compute on: CUDA, else Apple's GPU, else the CPU.

    Raises:
        PreconditionError: The one asked for is not here.
    """
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted != "auto" and not here[wanted]:
        raise PreconditionError(f"the device {wanted} is not here", hint="Use auto.")
    return next(name for name in here if here[name]) if wanted == "auto" else wanted


def open_model(
    place: ModelPlace,
    *,
    dtype: Dtype = "auto",
    device: Device = "auto",
    four_bit: bool = False,
    access: HubAccess | None = None,
) -> tuple[Any, Any]:
    """Load (model, tokenizer) for inference, the adapter on top of its base. The tokenizer has a pad token.

    Args:
        place: From `place_of`.
        dtype: `auto` = bfloat16 on CUDA, else float32.
        device: Where to put it.
        four_bit: Weights of the full model in 4-bit NF4, as QLoRA trains; CUDA only.
        access: To the hub, for what is not in the local cache.

    Raises:
        PreconditionError: The files are not those on record, the device is not here, or 4-bit is asked for elsewhere
            than on CUDA.
        SourceError: A file is damaged, or the hub cannot be reached.
    """
    need_training_libraries()
    import torch

    where = best_device(device)
    if four_bit and where != "cuda":
        raise PreconditionError("4-bit weights need an NVIDIA GPU, and none is here", hint="Load it unquantized.")
    folder, adapter = checked_folders(place, access)
    kind = ("bfloat16" if where == "cuda" else "float32") if dtype == "auto" else dtype
    more: dict[str, Any] = {}
    if four_bit:
        from corpusmith.models.training.adapters import quantization

        more = {"quantization_config": quantization(), "device_map": {"": 0}}
    transformers = _transformers()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, kind), use_safetensors=True, trust_remote_code=False, local_files_only=True, **more
    )
    if not four_bit:
        model = model.to(where)
    if adapter is not None:
        peft: Any = import_module("peft")
        model = peft.PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
    model.eval()
    return model, open_tokenizer(folder, adapter)


def open_tokenizer(folder: Path, adapter: Path | None = None) -> Any:
    """The tokenizer: the adapter's own where it has one, since it carries the chat template of its training."""
    own = adapter is not None and (adapter / "tokenizer_config.json").is_file()
    tokenizer = _transformers().AutoTokenizer.from_pretrained(
        adapter if own else folder, trust_remote_code=False, local_files_only=True
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _transformers() -> Any:
    """The library, untyped: its own types are neither complete nor stable."""
    return import_module("transformers")
