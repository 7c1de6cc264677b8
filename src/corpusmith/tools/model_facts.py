"""What a model card says of a model, gathered from the store: its manifest, base, data, training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from corpusmith.core.model_manifest import MODEL_FOLDER, ModelManifest
from corpusmith.ops.model_card import ModelCard
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.model_evidence import finite, manifest_of
from corpusmith.store.model_records import ModelEvaluation, ModelVersion
from corpusmith.store.registry import ModelRegistry

CARD = "README.md"


def version_of(registry: ModelRegistry, artifact: str) -> ModelVersion | None:
    """The newest registered version that is this artifact, None when there is none."""
    return next((v for v in reversed(registry.versions()) if v.artifact == artifact), None)


def card_of(
    registry: ModelRegistry, artifact: str, form: Literal["adapter", "merged", "full"], version: ModelVersion | None
) -> ModelCard:
    """The card of a model artifact.

    Args:
        registry: Where versions and evaluations are.
        artifact: The model.
        form: What the card lies beside.
        version: The version it is published as; None = it is not registered.

    Raises:
        NotFoundError, PreconditionError: There is no such artifact, or it is no model.
    """
    store = registry.artifacts
    model = store.open(artifact)
    manifest = manifest_of(model)
    base = None if manifest.base is None else store.open(manifest.base)
    below = None if base is None else manifest_of(base)
    data = store.find(model.record.inputs.get("data", ""))
    judged = registry.evaluations(version)[-1:] if version else []
    return ModelCard(
        name=version.ref if version else manifest.name,
        form=form,
        digest=manifest.digest,
        base=None if below is None else (below.location if _on_hub(below) else below.name),
        base_on_hub=below is not None and _on_hub(below),
        base_license="unknown" if base is None or below is None else _license(base, below),
        data="" if data is None else f"{data.params.get('name', data.tool)} (artifact {data.id}, {data.rows:,} rows)",
        data_license="unknown" if data is None else str(data.params.get("license", "unknown")),
        languages=() if data is None else tuple(data.params.get("languages") or ()),
        training=_training(model),
        lineage=_lineage(store, data.id) if data else (),
        **(_evaluation(store, judged[0]) if judged else {}),
    )


def _on_hub(manifest: ModelManifest) -> bool:
    return manifest.kind == "reference" and not Path(manifest.location or "/").is_absolute()


def _license(base: StoredDataset, manifest: ModelManifest) -> str:
    """The licence in the front matter of the base's own card, where its files lie here."""
    folder = base.folder / "files" / MODEL_FOLDER if manifest.kind == "full" else Path(manifest.location or "")
    path = folder / CARD
    if not path.is_file():
        return "unknown"
    parts = path.read_text(encoding="utf-8", errors="replace").split("---", 2)
    try:
        said = yaml.safe_load(parts[1]) if len(parts) == 3 else None
    except yaml.YAMLError:
        said = None
    return str(said.get("license") or "unknown") if isinstance(said, dict) else "unknown"


def _training(model: StoredDataset) -> dict[str, Any]:
    """Settings and figures as one flat mapping."""
    record = model.record
    flat = {"tool": f"{record.tool} {record.tool_version}", "seed": record.seed}
    for source in (record.params, record.result):
        for name, value in finite(source).items():
            inner = value if isinstance(value, dict) else {"": value}
            flat |= {f"{name}.{key}".rstrip("."): each for key, each in inner.items() if _is_short(each)}
    return flat


def _is_short(value: Any) -> bool:
    return value is not None and len(str(value)) <= 200


def _lineage(store: ArtifactStore, data: str) -> tuple[str, ...]:
    lines = []
    todo: str | None = data
    while todo is not None:
        record = store.open(todo).record
        lines.append(f"{record.tool} ({record.id[:12]}): {record.rows:,} rows")
        todo = record.inputs.get("data")
    return tuple(reversed(lines))


def _evaluation(store: ArtifactStore, judged: ModelEvaluation) -> dict[str, Any]:
    record = store.find(judged.evaluation)
    return {
        "metrics": judged.scorecard["metrics"],
        "data_digest": judged.data_digest,
        "gates": judged.report["gates"],
        "first_line": "" if record is None else str(record.result.get("first_line") or ""),
    }
