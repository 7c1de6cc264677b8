"""The endpoint on Ray Serve: replicas come and go with the load, follow the registry, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import threading
import time
from collections import Counter
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from openai import OpenAI
from plain_server import Shop
from ray_parts import make

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving import launch
from corpusmith.models.serving.ray_app import RayEndpoint, Scaling, serve_on_ray
from corpusmith.models.serving.ray_replica import _with_id_of_proxy
from corpusmith.models.serving.server import ServeOptions
from corpusmith.models.serving.sockets import listen
from corpusmith.store.endpoints import Replica
from corpusmith.store.processes import began

SERVERS = Path(__file__).parents[2] / "servers"
ASKED: Any = [{"role": "user", "content": "who are you?"}]


@pytest.mark.parametrize(("least", "most"), [(0, 1), (3, 2)])
def test_a_range_of_replicas_that_is_none_is_refused(least: int, most: int) -> None:
    with pytest.raises(ParameterError, match=f"{least} to {most} replicas"):
        Scaling(least, most)


def test_a_port_in_use_is_said_before_ray_is_started(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ParameterError, match=f"port {port} of 127.0.0.1 is in use"):
            serve_on_ray(partial(make, tmp_path, 0), "news", "127.0.0.1", port)


def test_a_request_has_the_id_of_the_proxy_and_it_is_told_once() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def front(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "headers": [(b"x-request-id", b"ours"), (b"a", b"b")]})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def run(scope: dict[str, Any]) -> dict[str, Any]:
        await _with_id_of_proxy(cast(Any, front))(scope, cast(Any, None), send)
        return scope

    led = asyncio.run(run({"type": "http", "headers": [(b"x-request-id", b"given")]}))
    assert led["state"]["request_id"] == "given"
    asyncio.run(run({"type": "http", "headers": []}))
    assert [message["headers"] for message in sent] == [[(b"a", b"b")], [(b"x-request-id", b"ours"), (b"a", b"b")]]


@pytest.mark.parametrize(("backend", "signals"), [("uvicorn", 1), ("ray", 0)])
def test_a_replica_on_ray_is_asked_to_stop_and_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Any, signals: int
) -> None:
    shop, sent = Shop(tmp_path / "ws"), []
    shop.endpoints.declare("news", "news", backend)
    pid = os.getpid()
    shop.endpoints.report(
        Replica(
            id="r", endpoint="news", machine=platform.node(), pid=pid, began=began(pid) or "", url="", log=None,
            state="serving", generation=0, version=None, canary=None, troubles={}, counts={}, heartbeat=time.time(),
        )
    )  # fmt: skip
    monkeypatch.setattr(launch, "send", lambda *what: sent.append(what))
    gone, left = launch.stop_endpoint(shop.endpoints, "news", 0.0)
    assert (len(sent), gone, len(left)) == (signals, [], 1)
    assert launch.STOP_ASKED in [event.kind for event in shop.endpoints.events("news")]
    shop.workspace.close()


class Load:
    """Clients that ask without a pause."""

    def __init__(self, url: str, clients: int) -> None:
        self.answers: Counter[str] = Counter()
        self.failed: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url,)) for _ in range(clients)]

    def _ask(self, url: str) -> None:
        with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60) as client:
            while not self._over.is_set():
                try:
                    answer = client.chat.completions.create(model="news", messages=ASKED)
                    self.answers[answer.choices[0].message.content or ""] += 1
                except Exception as error:  # noqa: BLE001 - compared with none
                    self.failed.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)


def until(endpoint: RayEndpoint, replicas: int, seen: list[int]) -> None:
    ends = time.monotonic() + 200
    while time.monotonic() < ends and (not seen or seen[-1] != replicas):
        time.sleep(0.2)
        seen.append(endpoint.replicas())
    assert seen[-1] == replicas


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings(r"ignore:The `metrics_interval_s` field:DeprecationWarning")  # Ray 2.60 listens to it
def test_replicas_come_under_load_and_go_after_it_and_no_request_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray.serve")
    monkeypatch.setenv("PYTHONPATH", str(SERVERS))  # for the processes that Ray starts
    shop = Shop(tmp_path / "ws")
    shop.promoted("one")
    two = shop.version("two")
    scaling = Scaling(1, 2, target=4, up_s=1, down_s=2, look_s=2)
    options = ServeOptions(poll_s=0.1)
    endpoint = serve_on_ray(
        partial(make, shop.workspace.root, 0.2), "news", "127.0.0.1", 0, options=options, scaling=scaling
    )
    try:
        assert endpoint.replicas() == 1
        seen: list[int] = []
        with Load(endpoint.url, 12) as load:
            until(endpoint, 2, seen)
            shop.promote(two)
            while load.answers["I am news@2 ."] < 50 and not load.failed:
                time.sleep(0.1)
            scraped = httpx.get(f"{endpoint.url}/metrics").text
            ids = {replica.id.rpartition("/")[2] for replica in shop.endpoints.living("news")}
            versions = {replica.version for replica in shop.endpoints.living("news")}
        assert load.failed == []
        assert set(load.answers) == {"I am news@1 .", "I am news@2 ."}
        assert versions == {"news@2"}
        assert set(re.findall(r'corpusmith_requests_total{.*replica="([^"]+)"', scraped)) == ids
        assert len(ids) == 2
        until(endpoint, 1, seen)
        with OpenAI(base_url=f"{endpoint.url}/v1", api_key="none", max_retries=0) as client:
            chunks = client.chat.completions.create(model="news", messages=ASKED, stream=True)
            first = next(chunks)
            stopping = threading.Thread(target=endpoint.stop)
            stopping.start()
            said = [first, *chunks]
            stopping.join(120)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == "I am news@2 ."
    finally:
        endpoint.stop()
        shop.workspace.close()
    replicas = shop.endpoints.replicas("news")
    assert [replica.state for replica in replicas] == ["stopped", "stopped"]
    logs = "".join(Path(replica.log or "").read_text() for replica in replicas)
    assert logs.count('"status": 200') > 50
