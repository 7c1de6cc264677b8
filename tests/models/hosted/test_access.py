from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from corpusmith.apps.compose import App
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import load_settings
from corpusmith.models.chat_errors import ModelAuthError
from corpusmith.models.hosted.access import OPENAI, HostedAccess, open_client


def test_secrets_are_shown_by_nothing() -> None:
    access = HostedAccess(base_url="https://me:hidden@proxy.example/v1/", api_key=SecretStr("sk-hidden-too"))
    assert access.endpoint == "https://proxy.example/v1"
    assert access.host == "proxy.example"
    assert access.secrets() == ["sk-hidden-too", "hidden"]
    assert "sk-hidden" not in f"{access!r}{access.model_dump_json()}"


def test_openai_needs_a_key_and_a_server_at_an_own_address_does_not() -> None:
    assert HostedAccess().endpoint == OPENAI
    with pytest.raises(ModelAuthError, match="needs a key"), open_client(HostedAccess()):
        pass
    with open_client(HostedAccess(base_url="http://127.0.0.1:9/v1")) as client:
        assert client.max_retries == 0


def test_the_environment_reaches_the_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CORPUSMITH_FINE_TUNING_PRICES", "gpt-4.1-mini=5, ft:a=b=0.25,")
    app = App.open(load_settings(tmp_path / "ws"), quiet=True)
    access = app.services("tester")["openai"]
    app.workspace.close()
    assert access.api_key.get_secret_value() == "sk-from-the-environment"
    assert access.endpoint == "http://127.0.0.1:9/v1"
    assert access.prices == {"gpt-4.1-mini": 5.0, "ft:a=b": 0.25}


@pytest.mark.parametrize("raw", ["gpt-4.1", "gpt-4.1=", "=5", "gpt-4.1=-5", "gpt-4.1=nan", "gpt-4.1=5 USD"])
def test_a_price_that_is_none_is_refused(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSMITH_FINE_TUNING_PRICES", raw)
    with pytest.raises(ParameterError, match="CORPUSMITH_FINE_TUNING_PRICES holds"):
        load_settings()
