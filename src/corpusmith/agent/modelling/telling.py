"""What a run's outcome says of its model: where it is, how it did, what was tried, what was refused."""

from __future__ import annotations

from typing import Any

from corpusmith.agent.modelling.handover import registry_name
from corpusmith.agent.modelling.work import ModelWork, Trial
from corpusmith.core.brief import Brief
from corpusmith.core.model_manifest import MODEL_FOLDER
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.model_evidence import manifest_of


def model_outcome(store: ArtifactStore, brief: Brief, work: ModelWork) -> dict[str, Any]:
    """The part `model` of `run --json`; plain data."""
    chosen = work.chosen
    out: dict[str, Any] = {
        "approach": work.approach,
        "name": registry_name(brief),
        "ref": work.version or None,
        "promoted": work.promoted,
        "refused": list(work.refused),
        "published": list(work.published),
        "answers": _answers(store, work),
        "index": work.index or None,
        "index_line": work.index_line,
        "deployed": work.deployed,
        "endpoint": work.endpoint or None,
        "endpoint_name": work.endpoint_name or None,
        "first_line": work.first_line,
        "evaluation": work.evaluation or None,
        "ablation": work.ablation or None,
        "ablation_line": work.ablation_line,
        "trials": [_trial(trial, trial is chosen) for trial in work.trials],
        "problems": list(work.problems),
    }
    if chosen is not None:
        model = store.open(chosen.model)
        manifest = manifest_of(model)
        held = manifest.kind in ("full", "adapter")
        out |= {
            "artifact": model.id,
            "digest": manifest.digest,
            "kind": manifest.kind,
            "base": chosen.setting.base,
            "path": str(model.folder / "files" / MODEL_FOLDER) if held else manifest.location,
        }
    return out


def _answers(store: ArtifactStore, work: ModelWork) -> dict[str, Any] | None:
    """Where the answers are that were asked for."""
    if not work.answers:
        return None
    found = store.open(work.answers_artifact)
    return {"ref": work.answers, "rows": found.rows, "artifact": found.id, "path": str(found.folder / "parts")}


def _trial(trial: Trial, chosen: bool) -> dict[str, Any]:
    """One line of the selection table: metric, cost, context length, speed."""
    names = (
        "decision", "move", "primary", "value", "gain", "gain_low", "seconds", "tokens_per_s", "usd", "context_length",
        "parameters", "problem",
    )  # fmt: skip
    return {"setting": trial.setting.text(), "chosen": chosen} | {name: getattr(trial, name) for name in names}


def shortfalls(work: ModelWork) -> list[str]:
    """What was wanted of the model and did not come about, a sentence each."""
    refused = [f"not promoted: {why}" for why in work.refused] if work.promoted is False else []
    return [*work.problems, *refused]
