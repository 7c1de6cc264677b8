"""Settings: the one module that reads the environment. Order: call > run file > environment > default.

CORPUSMITH_HOME        workspace folder (default ./.corpusmith)
CORPUSMITH_WORKERS     worker processes of the local engine (default: number of cores)
CORPUSMITH_MODEL       chat model of the llm planner, as `provider:name`
OPENAI_BASE_URL        an OpenAI-compatible server
OPENAI_API_KEY         the key of OpenAI or of that server, for fine-tuning there and asking what came of it
CORPUSMITH_FINE_TUNING_PRICES  US dollars for a million trained tokens at the provider: model=price, with commas
OPIK_URL_OVERRIDE      Opik server; without it no trace leaves the machine
OPIK_API_KEY, OPIK_WORKSPACE, OPIK_PROJECT_NAME
CORPUSMITH_TRAIN_WORKERS   training processes (default 1)
CORPUSMITH_TRAIN_BACKEND   auto, process or ray: where a training runs (auto = Ray for more than one worker)
CORPUSMITH_TRAIN_FSDP      1 = shard the weights over the workers
CORPUSMITH_REPORT_TO       trackers that a training reports to, with commas: comet_ml, mlflow, wandb, tensorboard
CORPUSMITH_USD_PER_GPU_HOUR  price of one device: training then needs an approval, and is estimated in money
RAY_ADDRESS            Ray cluster to train on
QDRANT_API_KEY         the key of a Qdrant server that holds an index
HF_ENDPOINT, HF_TOKEN  the hub that is published to, and as whom (default: huggingface.co, the token of its login)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from corpusmith.core.errors import ParameterError


class TrainSettings(BaseModel):
    """Where trainings run, as far as the environment says; the names are those of `models.training.place.Place`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    backend: Literal["auto", "process", "ray"] = "auto"
    workers: int = Field(1, ge=1)
    fsdp: bool = False
    address: str | None = None
    report_to: tuple[str, ...] = ()
    usd_per_gpu_hour: float | None = Field(None, ge=0)


class Settings(BaseModel):
    """What the environment says; every field can be given by the caller instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    workspace: Path
    workers: int
    model: str | None = None
    model_base_url: str | None = None
    opik_url: str | None = None
    opik_api_key: SecretStr | None = None
    opik_workspace: str = "default"
    opik_project: str = "corpusmith"
    hub_endpoint: str | None = None
    hub_token: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    qdrant_api_key: SecretStr | None = None
    fine_tuning_prices: dict[str, float] = Field(default_factory=dict)
    train: TrainSettings = TrainSettings()


def load_settings(workspace: Path | str | None = None, workers: int | None = None) -> Settings:
    """Read the environment, with the caller's values on top.

    Raises:
        ParameterError: CORPUSMITH_WORKERS is not a whole number of at least 1, or a setting of the training or a price
            is none.
    """
    env = os.environ
    raw = env.get("CORPUSMITH_WORKERS", "")
    if workers is None and raw:
        if not raw.isdecimal() or int(raw) < 1:
            raise ParameterError(f"CORPUSMITH_WORKERS is {raw!r}", hint="Set it to a whole number of at least 1.")
        workers = int(raw)
    names = ("OPIK_API_KEY", "HF_TOKEN", "OPENAI_API_KEY", "QDRANT_API_KEY")
    key, hub_token, openai_key, qdrant_key = (env.get(name) for name in names)
    return Settings(
        workspace=Path(workspace or env.get("CORPUSMITH_HOME") or ".corpusmith").expanduser().absolute(),
        workers=workers or os.cpu_count() or 1,
        model=env.get("CORPUSMITH_MODEL"),
        model_base_url=env.get("OPENAI_BASE_URL"),
        opik_url=env.get("OPIK_URL_OVERRIDE"),
        opik_api_key=SecretStr(key) if key else None,
        opik_workspace=env.get("OPIK_WORKSPACE", "default"),
        opik_project=env.get("OPIK_PROJECT_NAME", "corpusmith"),
        hub_endpoint=(env.get("HF_ENDPOINT") or "").rstrip("/") or None,
        hub_token=SecretStr(hub_token) if hub_token else None,
        openai_api_key=SecretStr(openai_key) if openai_key else None,
        qdrant_api_key=SecretStr(qdrant_key) if qdrant_key else None,
        fine_tuning_prices=_prices(env.get("CORPUSMITH_FINE_TUNING_PRICES", "")),
        train=_train_settings(env),
    )


def _prices(raw: str) -> dict[str, float]:
    found = {}
    for entry in filter(None, (part.strip() for part in raw.split(","))):
        name, _, price = entry.rpartition("=")
        if not name or not price.strip().replace(".", "", 1).isdecimal():
            raise ParameterError(
                f"CORPUSMITH_FINE_TUNING_PRICES holds {entry!r}", hint="Write model=price, gpt-4.1-mini-2025-04-14=5.0."
            )
        found[name.strip()] = float(price)
    return found


_TRAIN = {
    "backend": "CORPUSMITH_TRAIN_BACKEND",
    "workers": "CORPUSMITH_TRAIN_WORKERS",
    "fsdp": "CORPUSMITH_TRAIN_FSDP",
    "address": "RAY_ADDRESS",
    "report_to": "CORPUSMITH_REPORT_TO",
    "usd_per_gpu_hour": "CORPUSMITH_USD_PER_GPU_HOUR",
}


def _train_settings(env: Mapping[str, str]) -> TrainSettings:
    said: dict[str, Any] = {field: env[name] for field, name in _TRAIN.items() if env.get(name)}
    if "report_to" in said:
        said["report_to"] = tuple(part.strip() for part in said["report_to"].split(",") if part.strip())
    try:
        return TrainSettings.model_validate(said)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = _TRAIN[str(fault["loc"][0])]
        raise ParameterError(
            f"{name} is {env[name]!r}", hint=f"It should be otherwise: {fault['msg'].lower()}."
        ) from error
