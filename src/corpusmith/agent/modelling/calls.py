"""What the phases ask of the tools: parameters and roles, and what they read from the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from corpusmith.agent.modelling.moves import RANKED
from corpusmith.agent.modelling.work import BaseModelFacts, Setting, Trial
from corpusmith.agent.session import Session
from corpusmith.core.brief import PlaceWish, TrainingWish
from corpusmith.core.gates import Scorecard
from corpusmith.models.training.place import Place
from corpusmith.store.dataset import StoredDataset

SCORECARD = "scorecard.json"


def place_training(session: Session, wish: PlaceWish) -> None:
    """Put what the request says about where to train over the settings' place."""
    services = session.runner.services
    place = services.get("place") or Place()
    said: dict[str, Any] = {} if wish.backend == "auto" else {"backend": wish.backend}
    said |= {} if wish.workers is None else {"workers": wish.workers}
    said |= {"fsdp": True} if wish.fsdp else {}
    said |= {"report_to": wish.report_to} if wish.report_to else {}
    session.runner.services = {**services, "place": place.model_copy(update=said)}


def train_params(setting: Setting, wish: TrainingWish, name: str) -> dict[str, Any]:
    """Parameters of `train`: only what was said; the tool knows the defaults of method and base."""
    adapter: dict[str, Any] = {"kind": setting.adapter}
    if setting.rank is not None:
        adapter |= {"rank": setting.rank, "alpha": wish.alpha or 2 * setting.rank}
    elif wish.alpha is not None:
        adapter["alpha"] = wish.alpha
    asked = {
        "learning_rate": setting.learning_rate,
        "epochs": setting.epochs,
        "max_steps": setting.max_steps,
        "dpo_beta": wish.dpo_beta,
    }
    params: dict[str, Any] = {"name": name, "method": wish.method, "adapter": adapter}
    schedule = {key: value for key, value in asked.items() if value is not None}
    params |= {"schedule": schedule} if schedule else {}
    params |= {"sequence_length": setting.sequence_length} if setting.sequence_length is not None else {}
    params |= {"replay_rows": wish.replay_rows} if wish.replay_rows else {}
    return params


def hosted_params(setting: Setting, wish: TrainingWish, name: str, max_cost_usd: float | None) -> dict[str, Any]:
    """Parameters of `train_hosted`."""
    params: dict[str, Any] = {"base": setting.base, "suffix": name[:64]}
    params |= {"method": wish.method} if wish.method in ("sft", "dpo") else {}
    params |= {"epochs": round(setting.epochs)} if setting.epochs is not None else {}
    return params | ({"max_cost_usd": max_cost_usd} if max_cost_usd is not None else {})


def evaluation_roles(trial: Trial, data: str, earlier: Sequence[str] = ()) -> dict[str, str]:
    """Inputs of `evaluate` for a model that was trained on `data` and is judged on another split of it.

    Args:
        trial: The model and its base.
        data: The dataset.
        earlier: Datasets that what it went on from was trained on: a row of theirs judges it no better.
    """
    roles = {"model": trial.model, "data": data, "train": data} | ({"base": trial.base} if trial.base else {})
    older = [one for one in earlier if one != data]
    return roles | {f"earlier.{n}": one for n, one in enumerate(older)}


def hosted(trial: Trial, model: StoredDataset) -> Trial:
    """The trial with what a provider's training left on record."""
    result = model.record.result
    return trial.model_copy(
        update={"model": model.id, "seconds": result.get("seconds") or 0.0, "usd": result.get("usd")}
    )


def trained(trial: Trial, model: StoredDataset, base: BaseModelFacts | None) -> Trial:
    """The trial with what the training left on record."""
    result = model.record.result
    curve = json.loads(model.file("train.json").read_bytes()).get("curve", [])
    points = tuple((p["step"], p["holdout_loss"]) for p in curve if p.get("holdout_loss") is not None)
    adapter = model.record.params["adapter"]
    return trial.model_copy(
        update={
            "model": model.id,
            "nan": bool(result.get("nan")),
            "holdout_loss": result.get("holdout_loss"),
            "curve": points,
            "seconds": result.get("seconds") or 0.0,
            "tokens_per_s": result.get("tokens_per_s"),
            "usd": result.get("usd"),
            "learning_rate": result.get("learning_rate"),
            "epochs": result.get("epochs"),
            "rank": adapter["rank"] if adapter["kind"] in RANKED else None,
            "context_length": None if base is None else base.context_length,
            "parameters": None if base is None else base.parameters,
        }
    )


def judged(trial: Trial, evaluation: StoredDataset) -> Trial:
    """The trial with its figures on the validation split."""
    card, primary = scorecard_of(evaluation), str(evaluation.record.result["primary"])
    return trial.model_copy(
        update={
            "evaluation": evaluation.id,
            "primary": primary,
            "value": card.value(primary),
            "gain": card.value("gain_over_base"),
            "gain_low": card.value("gain_over_base_low"),
        }
    )


def scorecard_of(report: StoredDataset) -> Scorecard:
    """The scorecard of an evaluation or an ablation; null there (how JSON writes NaN) is left out here."""
    plain = json.loads(report.file(SCORECARD).read_bytes())
    plain["metrics"] = {name: entry for name, entry in plain["metrics"].items() if entry.get("value") is not None}
    return Scorecard.model_validate(plain)
