"""Opens a version of a model for the server: its files compared with the record, its base beneath an adapter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from corpusmith.core.errors import NotFoundError
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.loading import Device
from corpusmith.models.serving.contract import ServedModel
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.model_evidence import manifest_of
from corpusmith.store.registry import ModelRegistry

MOST_CONTEXT = 32_768
"""Most tokens of prompt and answer that are served, however many the model was made for."""


@dataclass(frozen=True)
class EngineOpener:
    """Opens versions in this process."""

    registry: ModelRegistry
    artifacts: ArtifactStore
    access: HubAccess | None = None
    device: Device = "auto"

    async def __call__(self, ref: str) -> ServedModel:
        """Open `name@version` or an artifact, in a thread.

        Raises:
            NotFoundError, PreconditionError, SourceError: As `models.loading.open_model`.
        """
        return await asyncio.to_thread(self.open, ref)

    def open(self, ref: str) -> ServedModel:
        """Open `name@version` or an artifact."""
        from corpusmith.models.evaluation.opened import open_artifact
        from corpusmith.models.serving.engine import Engine

        artifact = self.artifacts.open(artifact_of(ref, self.registry))
        manifest = manifest_of(artifact)
        base = self.artifacts.open(manifest.base) if manifest.kind == "adapter" and manifest.base else None
        context = min(manifest.context_length or MOST_CONTEXT, MOST_CONTEXT)
        return Engine(open_artifact(artifact, base, context=context, device=self.device, access=self.access), ref)


def artifact_of(ref: str, registry: ModelRegistry) -> str:
    """The artifact of `name@version`; an artifact id stands for itself.

    Raises:
        NotFoundError: No such version is registered.
    """
    name, at, number = ref.partition("@")
    if not at:
        return ref
    for version in registry.versions(name):
        if str(version.version) == number:
            return version.artifact
    raise NotFoundError(f"no model {ref!r}", hint="See `corpusmith model list`.")
