"""What artifacts say of models: a model's manifest, whether its files are those it names, and what an evaluation holds.

An evaluation artifact (made by `tools.evaluate`, or by hand) is a report with `scorecard.json`, whose result names the
`model_digest`, the `data_digest` and the `primary` metric, and whose inputs are `model`, `data` and, where they were
compared with or read, `base`, `champion` and `train`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.gates import Scorecard
from corpusmith.core.model_manifest import MANIFEST_NAME, MODEL_FOLDER, ModelManifest
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.dataset import StoredDataset

SCORECARD_NAME = "scorecard.json"

DigestOf = Callable[[Path], str]
"""The digest of a model folder's weights, tokenizer, template and adapter; given from above."""


def manifest_of(model: StoredDataset) -> ModelManifest:
    """The manifest of a model artifact.

    Raises:
        PreconditionError: The artifact is no model, or its manifest is damaged.
    """
    if model.record.kind != "model":
        raise PreconditionError(
            f"artifact {model.id} is a {model.record.kind}, not a model", hint="See `corpusmith model list`."
        )
    try:
        return ModelManifest.model_validate_json(model.file(MANIFEST_NAME).read_bytes())
    except (NotFoundError, ValidationError) as error:
        raise PreconditionError(f"the model artifact {model.id} has no valid manifest", hint="Make it anew.") from error


def verify(model: StoredDataset, digest: str, digest_of: DigestOf) -> None:
    """Compare a digest on record with the manifest and the files; a hub id or a hosted model has no files here.

    Raises:
        PreconditionError: The files are not those that were recorded.
    """
    manifest = manifest_of(model)
    folder = None
    if manifest.kind in ("full", "adapter"):
        folder = model.folder / "files" / MODEL_FOLDER
    elif manifest.kind == "reference" and Path(manifest.location or "").is_absolute():
        folder = Path(manifest.location or "")
    same = manifest.digest == digest and (folder is None or (folder.is_dir() and digest_of(folder) == digest))
    if not same:
        raise PreconditionError(
            f"the files of model {model.id} are not those that were recorded (digest {digest[:12]})",
            hint="They were changed or damaged; make the model anew.",
            artifact=model.id,
        )


def refuse_broken_training(model: StoredDataset) -> None:
    """A training that ended in NaN leaves a model for the record, never for the registry.

    Raises:
        PreconditionError: It did.
    """
    result = model.record.result
    if result.get("nan") or ("loss" in result and not _is_number(result["loss"])):
        raise PreconditionError(
            f"the training of model {model.id} ended in a loss that is no number",
            hint="Train again with a smaller learning rate.",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True)
class Evidence:
    """What one evaluation artifact holds. Digests are those of the manifests of the models it was given."""

    id: str
    model_digest: str
    data: str
    data_digest: str
    primary: str
    card: Scorecard
    base_digest: str | None
    champion_digest: str | None
    train: str | None


def evidence_of(artifacts: ArtifactStore, evaluation: str) -> Evidence:
    """Read an evaluation artifact.

    Raises:
        NotFoundError: There is no such artifact.
        PreconditionError: It is no evaluation of a model, or says of another model than the one it was given.
    """
    stored = artifacts.open(evaluation)
    record = stored.record
    said = {name: record.result.get(name) for name in ("model_digest", "data_digest", "primary")}
    unsaid = [name for name, value in said.items() if not (isinstance(value, str) and value)]
    if record.kind != "report" or SCORECARD_NAME not in record.files or unsaid or not record.inputs.get("model"):
        raise PreconditionError(
            f"artifact {evaluation} is no evaluation of a model" + (f" (no {unsaid[0]})" if unsaid else ""),
            hint="Make one with `corpusmith tool run evaluate`.",
        )

    def digest(role: str) -> str | None:
        return manifest_of(artifacts.open(record.inputs[role])).digest if role in record.inputs else None

    if digest("model") != said["model_digest"]:
        raise PreconditionError(
            f"evaluation {evaluation} speaks of digest {str(said['model_digest'])[:12]}, but was given another model",
            hint="Evaluate the model again.",
        )
    return Evidence(
        id=evaluation,
        model_digest=str(said["model_digest"]),
        data=record.inputs.get("data", ""),
        data_digest=str(said["data_digest"]),
        primary=str(said["primary"]),
        card=read_scorecard(stored.file(SCORECARD_NAME)),
        base_digest=digest("base"),
        champion_digest=digest("champion"),
        train=record.inputs.get("train"),
    )


def read_scorecard(path: Path) -> Scorecard:
    """A scorecard as it was written; a value that is null there (how JSON writes NaN) is NaN here.

    Raises:
        PreconditionError: It is no scorecard.
    """
    try:
        plain = json.loads(path.read_bytes())
        for metric in plain["metrics"].values():
            if metric["value"] is None:
                metric["value"] = math.nan
        return Scorecard.model_validate(plain)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PreconditionError(f"{path} is no scorecard", hint="Evaluate the model again.") from error


def finite(value: Any) -> Any:
    """Plain data with None where a number is not finite, as JSON wants it."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
