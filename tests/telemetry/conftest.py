"""Makes the loopback servers importable here and hands out one Opik per test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1] / "servers"), str(Path(__file__).parent)]

from opik_server import OpikServer
from run_logs import RunLog


@pytest.fixture
def opik() -> Iterator[OpikServer]:
    server = OpikServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    return RunLog(tmp_path / "run")
