"""base: the model that training starts from and that a fine-tune must beat.

`tiny` is pre-trained here, on the half of the bundled documents that no run works on; a local folder or a hub model is
checked and referred to, its weights are not copied. Identity holds the digest of the documents or of the folder, or the
hub's commit: what the name points at tomorrow is another model. A model at a provider is referred to by its name.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.model_manifest import MANIFEST_NAME, MODEL_FOLDER, ModelManifest
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.bases import TINY, describe, inspect, point_at
from corpusmith.models.digests import model_digests
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.tiny import TinyRecipe, pretrain_tiny
from corpusmith.sources.bundled import base_documents

OUTCOME_FILE, WORK = "train.json", "training"


class BaseParams(ToolParams):
    """Which model."""

    name: str = Field(TINY, min_length=1, description="tiny, a local folder, or a hub id such as owner/name")
    revision: str | None = Field(None, description="hub: branch, tag or commit; the main branch when null")
    hosted: bool = Field(False, description="the name is a model at a provider of the OpenAI API, to be judged beside")
    tiny: TinyRecipe = Field(TinyRecipe(), description="tiny: its shape and pre-training")


class BaseResult(ToolResult):
    """What the model is."""

    name: str
    kind: Literal["full", "reference", "hosted"]
    digest: str
    parameters: int = Field(description="all of them")
    context_length: int | None
    chat_template: bool
    location: str | None
    revision: str | None
    loss: float | None = Field(description="tiny: training loss at the end, nats per token")
    tokens: int | None = Field(description="tiny: tokens seen in pre-training")


def base(params: BaseParams, ctx: StepContext) -> BaseResult:
    """Make the model artifact `params.name`.

    Raises:
        SourceError: There is no such model, or a file of it is missing or damaged.
        PreconditionError: It cannot be trained, or the extra `train` is missing.
        ParameterError: The name or the revision is none.
    """
    if params.hosted:
        return _keep(_at_provider(params), ctx)
    access = ctx.services.get("hub")
    point = point_at(params.name, params.revision, access)
    loss = tokens = None
    if point.kind == "tiny":
        manifest, loss, tokens = _make_tiny(params.tiny, ctx)
    else:
        ctx.emit(f"base: checking {params.name}")
        manifest = describe(point, params.name, access)
    return _keep(manifest, ctx, loss, tokens)


def _at_provider(params: BaseParams) -> ModelManifest:
    """A model at a provider: it is known there by its name, and by nothing else here."""
    if params.revision is not None:
        raise ParameterError(f"{params.name} has no revisions", hint="Leave out the revision.")
    return ModelManifest(kind="hosted", name=params.name, digest=params.name, location=params.name, chat_template=True)


def _keep(
    manifest: ModelManifest, ctx: StepContext, loss: float | None = None, tokens: int | None = None
) -> BaseResult:
    ctx.writer.path(MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2), "utf-8")
    return BaseResult(
        name=manifest.name,
        kind="reference" if manifest.kind == "adapter" else manifest.kind,
        digest=manifest.digest,
        parameters=manifest.parameters or 0,
        context_length=manifest.context_length,
        chat_template=manifest.chat_template,
        location=manifest.location,
        revision=manifest.revision,
        loss=loss,
        tokens=tokens,
    )


def _make_tiny(recipe: TinyRecipe, ctx: StepContext) -> tuple[ModelManifest, float, int]:
    ctx.emit("base: pre-training tiny")
    work = ctx.writer.path(WORK).absolute()  # outlives a crash: the same step goes on from the last checkpoint
    outcome = pretrain_tiny(bundled_texts(), work, recipe, ctx.seed, emit=ctx.emit, cancel=ctx.cancel)
    folder = ctx.writer.path(MODEL_FOLDER)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    Path(outcome.final).rename(folder)
    shutil.rmtree(work)
    facts, found = inspect(folder, TINY), model_digests(folder)
    record = outcome.model_dump(mode="json") | {"final": MODEL_FOLDER}
    ctx.writer.path(OUTCOME_FILE).write_text(json.dumps(record, indent=2), "utf-8")
    manifest = ModelManifest(
        kind="full",
        name=TINY,
        digest=found.digest,
        parts=found.parts,
        parameters=facts.parameters,
        trainable=facts.parameters,
        context_length=facts.context_length,
        chat_template=facts.chat_template,
    )
    return manifest, outcome.loss, outcome.tokens


@functools.lru_cache(maxsize=1)
def bundled_texts(library: Path | None = None) -> tuple[str, ...]:
    """What `tiny` learns from: the documents of the half `base`, a blank line between paragraphs."""
    return tuple("\n\n".join(document.paragraphs) for document in base_documents(library))


def _snapshot(params: BaseParams, services: Mapping[str, Any]) -> dict[str, Any]:
    if params.hosted:
        return {"uri": (services.get("openai") or HostedAccess()).endpoint}
    point = point_at(params.name, params.revision, services.get("hub"))
    if point.kind == "tiny":
        texts = json.dumps(bundled_texts()).encode()
        return {"uri": "python:documentation", "digest": hashlib.sha256(texts).hexdigest()}
    return {"uri": point.location, "commit" if point.kind == "hub" else "digest": point.state}


TOOL = Tool(
    name="base",
    version=1,
    kind="observe",
    params=BaseParams,
    run=base,
    summary="Take a base model: tiny (pre-trained here, no download), a folder or a hub model; check that it fits.",
    inputs=(),
    effects=frozenset({Effect.READ_FILES, Effect.READ_WEB, Effect.WRITE_STORE}),
    makes="model",
    snapshot=_snapshot,
)
