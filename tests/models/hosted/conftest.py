from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fine_tuning_server import KEY, FineTuningServer
from pydantic import SecretStr

from corpusmith.models.hosted.access import HostedAccess


@pytest.fixture
def provider() -> Iterator[FineTuningServer]:
    server = FineTuningServer()
    yield server
    server.close()


@pytest.fixture
def access(provider: FineTuningServer) -> Callable[..., HostedAccess]:
    def make(**more: Any) -> HostedAccess:
        given = {"timeout_s": 5.0, "attempts": 3, "backoff_s": 0.01, "api_key": SecretStr(KEY), **more}
        return HostedAccess(base_url=provider.url, **given)

    return make
