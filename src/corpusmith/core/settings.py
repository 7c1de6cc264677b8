"""Settings: the one module that reads the environment. Order: call > run file > environment > default.

CORPUSMITH_HOME        workspace folder (default ./.corpusmith)
CORPUSMITH_WORKERS     worker processes of the local engine (default: number of cores)
CORPUSMITH_MODEL       chat model of the llm planner, as `provider:name`
OPENAI_BASE_URL        an OpenAI-compatible server
OPENAI_API_KEY         the key of OpenAI or of that server, for fine-tuning there and asking what came of it
OPIK_URL_OVERRIDE      Opik server; without it no trace leaves the machine
OPIK_API_KEY, OPIK_WORKSPACE, OPIK_PROJECT_NAME
HF_ENDPOINT, HF_TOKEN  the hub that is published to, and as whom (default: huggingface.co, the token of its login)
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from corpusmith.core.errors import ParameterError


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


def load_settings(workspace: Path | str | None = None, workers: int | None = None) -> Settings:
    """Read the environment, with the caller's values on top.

    Raises:
        ParameterError: CORPUSMITH_WORKERS is not a whole number of at least 1.
    """
    env = os.environ
    raw = env.get("CORPUSMITH_WORKERS", "")
    if workers is None and raw:
        if not raw.isdecimal() or int(raw) < 1:
            raise ParameterError(f"CORPUSMITH_WORKERS is {raw!r}", hint="Set it to a whole number of at least 1.")
        workers = int(raw)
    key, hub_token, openai_key = (env.get(name) for name in ("OPIK_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"))
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
    )
