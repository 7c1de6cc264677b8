"""What is refused before a run that wants a model exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from corpusmith.apps.model_preflight import refuse_models_early
from corpusmith.core.brief import Brief, Budgets, TrainingWish
from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.core.settings import Settings


def settings(**more: Any) -> Settings:
    return Settings(workspace=Path("ws"), workers=1, openai_api_key=SecretStr("sk-1"), **more)


def hosted(limit_usd: float | None) -> Brief:
    wish = TrainingWish(hosted=True, bases=("gpt-4o-mini",))
    return Brief(request="", training=wish, budgets=Budgets(cost_usd=limit_usd))


def test_a_limit_that_could_not_be_kept_is_refused_with_the_setting_to_give() -> None:
    with pytest.raises(ParameterError, match=r"at most 5 USD .* training gpt-4o-mini costs is not known") as caught:
        refuse_models_early(hosted(5.0), settings())
    assert "CORPUSMITH_FINE_TUNING_PRICES=gpt-4o-mini=DOLLARS" in caught.value.hint
    with pytest.raises(ParameterError):
        refuse_models_early(hosted(5.0), settings(fine_tuning_prices={"gpt-4.1-mini": 5.0}))
    refuse_models_early(hosted(5.0), settings(fine_tuning_prices={"gpt-4o-mini": 3.0}))
    refuse_models_early(hosted(None), settings())


def test_a_hub_that_does_not_answer_is_said_before_a_run_exists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    brief = Brief(request="", training=TrainingWish(bases=("org/small",)))
    with pytest.raises(SourceError, match="org/small is not whole on this machine"):
        refuse_models_early(brief, settings(hub_endpoint="http://127.0.0.1:9"))
