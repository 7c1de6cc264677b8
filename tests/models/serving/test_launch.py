"""Ending an endpoint that somebody else holds up: asked, asked in haste, killed; the holder is a real process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from plain_server import Shop

from corpusmith.models.serving import launch
from corpusmith.models.serving.ray_app import RayEndpoint
from corpusmith.store.database import ServerRow
from corpusmith.store.processes import began
from corpusmith.store.servers import Servers


@contextmanager
def held(shop: Shop) -> Iterator[subprocess.Popen[bytes]]:
    """`news` on Ray, held up by a process that does nothing."""
    shop.endpoints.declare("news", "news", "ray")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        mine = Servers(shop.workspace.database).enlist("news", "ray", "plain")
        with shop.workspace.database.session() as session:
            session.merge(ServerRow(**mine.model_dump() | {"pid": holder.pid, "began": began(holder.pid)}))
        try:
            yield holder
        finally:
            holder.kill()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "ws")
    yield made
    made.workspace.close()


def kinds(shop: Shop) -> list[str]:
    return [event.kind for event in shop.endpoints.events("news")]


def test_a_holder_that_does_not_end_is_killed_only_by_force(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "FORCED_S", 0.1)
    with held(shop) as holder:
        launch.stop_endpoint(shop.endpoints, "news", 0.1)
        assert holder.poll() is None
        launch.stop_endpoint(shop.endpoints, "news", 0.1, kill=True)
        assert holder.wait(30) == -9
    assert kinds(shop) == ["declared", launch.STOP_ASKED, launch.STOP_ASKED, launch.END_ASKED]


def test_a_holder_that_ends_when_there_is_haste_is_not_killed(shop: Shop) -> None:
    with held(shop) as holder:

        def listen() -> None:
            while launch.END_ASKED not in kinds(shop):
                time.sleep(0.02)
            holder.communicate(b"\n")

        listening = threading.Thread(target=listen)
        listening.start()
        launch.stop_endpoint(shop.endpoints, "news", 0.0, kill=True)
        listening.join(30)
        assert holder.wait(30) == 0


@pytest.mark.parametrize("drains", [True, False])
def test_replicas_are_told_to_end_only_in_haste(monkeypatch: pytest.MonkeyPatch, drains: bool) -> None:
    told: list[str] = []

    class Stack:
        def close(self) -> None:
            told.append("closed")

    endpoint = RayEndpoint("url", "news", 1.0, Stack())  # type: ignore[arg-type]

    def drain(in_haste: Callable[[], bool]) -> bool:
        return drains and not in_haste()

    monkeypatch.setattr(endpoint, "_drain", drain)
    monkeypatch.setattr(endpoint, "_tell", lambda what, _timeout_s: told.append(what))
    for _ in range(2):
        endpoint.stop()
    assert told == (["closed"] if drains else ["end", "closed"])


def test_on_a_cluster_that_was_joined_serve_is_told_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    monkeypatch.setattr(launch, "FORCED_S", 0.1)
    monkeypatch.setattr("corpusmith.models.serving.ray_ending.subprocess.run", lambda words, **_: said.append(words))
    with held(shop) as holder:
        with shop.workspace.database.session() as session:
            session.query(ServerRow).update({"address": "10.0.0.1:6379"})
        launch.stop_endpoint(shop.endpoints, "news", 0.0, kill=True)
        assert holder.wait(30) == -9
    assert [words[-2:] for words in said] == [["10.0.0.1:6379", "news"]]
