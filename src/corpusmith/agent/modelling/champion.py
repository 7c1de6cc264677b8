"""Training that goes on from the champion: where its weights are, what they are on top of, what they have seen."""

from __future__ import annotations

from typing import Any

from corpusmith.agent.modelling.handover import registry_in
from corpusmith.agent.modelling.work import BaseModelFacts, ModelWork
from corpusmith.agent.session import Session
from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.store.model_evidence import manifest_of
from corpusmith.workflows.model_lineage import training_sets


def from_champion(session: Session, name: str, work: ModelWork) -> ModelWork:
    """The work with the champion as what training goes on from: an adapter as its start, whole weights as its base.

    Raises:
        PreconditionError: The model has no champion, or it is at a provider.
    """
    registry, artifacts = registry_in(session), session.runner.workspace.artifacts
    if registry is None or registry.aliases(name).champion is None:
        raise PreconditionError(
            f"the model {name} has no champion to go on from",
            hint="Promote one (`corpusmith model list`), give the model's name with --name, or name a base instead.",
        )
    version = registry.resolve(f"{name}@champion")
    manifest = manifest_of(artifacts.open(version.artifact))
    if manifest.kind == "hosted":
        raise PreconditionError(
            f"the champion {version.ref} is a model at its provider",
            hint=f"Fine-tune {manifest.location} by its name to go on from it.",
        )
    known: dict[str, Any] = {"earlier": tuple(training_sets(artifacts, version.artifact))}
    below = version.artifact
    if manifest.kind == "adapter":
        if manifest.base is None:
            raise NotFoundError(f"the base of {version.ref} is not on record", hint="Name a base instead.")
        below = manifest.base
        kind = artifacts.open(version.artifact).record.params.get("adapter", {}).get("kind", "lora")
        known |= {"start": version.artifact, "start_adapter": kind}
    return work.model_copy(update={**known, "bases": (_facts(manifest_of(artifacts.open(below)), below),)})


def _facts(manifest: ModelManifest, artifact: str) -> BaseModelFacts:
    return BaseModelFacts(
        name=manifest.name,
        artifact=artifact,
        parameters=manifest.parameters or 0,
        context_length=manifest.context_length,
    )
