"""What a model artifact says of itself: `files/manifest.json`, read by tools, registry and server without torch.

A model artifact holds one of

    full       files/model/: a transformers folder (config, safetensors, tokenizer, chat template)
    adapter    files/model/: a PEFT adapter folder with the tokenizer; its base is the artifact `base`
    reference  no weights of its own: `location` is a local folder or the hub id that they are loaded from
    hosted     a model at a provider, named by `location`
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MANIFEST_NAME = "manifest.json"
MODEL_FOLDER = "model"


class ModelManifest(BaseModel):
    """Identity and facts of one model version; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["full", "adapter", "reference", "hosted"]
    name: str = Field(description="how people call it: tiny, the hub id, or the trained model's own name")
    digest: str = Field(
        description="over weights, tokenizer, chat template and adapter config (hosted: the provider's id)"
    )
    parts: dict[str, str] = Field(
        default_factory=dict, description="digest of each: weights, tokenizer, template, adapter"
    )
    base: str | None = Field(
        None, description="artifact id of the base model of an adapter, or that it was trained from"
    )
    base_digest: str | None = None
    location: str | None = Field(None, description="reference, hosted: folder, hub id or provider's model id")
    revision: str | None = Field(None, description="reference: commit of the hub repository")
    parameters: int | None = Field(None, ge=0, description="all parameters, base included")
    trainable: int | None = Field(None, ge=0, description="parameters that training moved")
    context_length: int | None = Field(None, ge=1, description="most tokens the model was made for")
    chat_template: bool = Field(False, description="whether the tokenizer has a chat template")
    merged: bool = Field(False, description="full: an adapter was merged into it")
