"""The server as operations meet it: real uvicorn, real openai clients, a real registry; the models are doubles."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from plain_server import Shop

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.models.serving.server import ModelServer, ServeOptions
from corpusmith.models.serving.sockets import listen, url_of

SERVERS = Path(__file__).parents[2] / "servers"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "ws")
    yield made
    made.workspace.close()


@asynccontextmanager
async def running(server: ModelServer) -> AsyncIterator[ModelServer]:
    ready = asyncio.Event()
    task = asyncio.create_task(server.run(ready.set, signals=False))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    try:
        yield server
    finally:
        server.stop()
        await task


def client(server: ModelServer, key: str = "none", retries: int = 0) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=retries, timeout=30)


async def ask(asked: AsyncOpenAI, model: str = "news", stream: bool = False) -> str:
    message: Any = [{"role": "user", "content": "who are you?"}]
    if stream:
        chunks = await asked.chat.completions.create(model=model, messages=message, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])
    answer = await asked.chat.completions.create(model=model, messages=message)
    return answer.choices[0].message.content or ""


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def test_promotions_rollbacks_and_canaries_under_load_lose_no_request(shop: Shop) -> None:
    one = shop.promoted("one")
    two = shop.version("two")
    log: list[tuple[str, str]] = []

    async def run() -> tuple[Counter[str], int]:
        answers: Counter[str] = Counter()
        stop = asyncio.Event()
        options = ServeOptions(poll_s=0.02)
        async with running(shop.server(options=options, pause_s=0.002, open_s=0.01, log=log)) as server:

            async def load(number: int) -> None:
                async with client(server) as asked:
                    while not stop.is_set():
                        answers[await ask(asked, stream=bool(number % 2))] += 1

            clients = [asyncio.create_task(load(n)) for n in range(8)]
            moves = 0
            for round_ in range(3):
                await asyncio.to_thread(shop.promote, two) if round_ == 0 else await asyncio.to_thread(
                    shop.registry.rollback, "news", "test"
                )
                champion = "news@2" if round_ % 2 == 0 else "news@1"
                await until(lambda champion=champion: server.fleet.state().version == champion)
                other = 1 if round_ % 2 == 0 else 2
                await asyncio.to_thread(shop.endpoints.set_canary, "news", other, 0.3)
                await until(lambda other=other: server.fleet.state().canary == f"news@{other}")
                await asyncio.to_thread(shop.endpoints.set_canary, "news", None, 0.0)
                await until(lambda: server.fleet.state().canary is None)
                moves += 3
            stop.set()
            await asyncio.gather(*clients)  # raises what any client met
        return answers, moves

    answers, moves = asyncio.run(run())
    assert moves == 9
    assert set(answers) == {"I am news@1 .", "I am news@2 ."}
    assert sum(answers.values()) > 30
    opened = Counter(log)
    assert opened["open", "news@1"] == opened["close", "news@1"]
    assert opened["open", "news@2"] == opened["close", "news@2"]
    kinds = Counter(event.kind for event in shop.endpoints.events("news"))
    assert kinds["switched"] == 4
    assert one.version == 1


def test_the_record_says_what_answers_and_what_could_not_be_opened(shop: Shop) -> None:
    shop.promoted("one")
    two = shop.version("two")

    async def run() -> None:
        async with running(shop.server(broken=("news@2",))) as server:
            await until(lambda: [r.version for r in shop.endpoints.living("news")] == ["news@1"])
            shop.promote(two)
            await until(lambda: shop.endpoints.living("news")[0].troubles)
            replica = shop.endpoints.living("news")[0]
            assert (replica.state, replica.version, replica.url) == ("serving", "news@1", server.url)
            assert "no memory" in replica.troubles["news@2"]
            async with client(server) as asked:
                assert await ask(asked) == "I am news@1 ."
        assert shop.endpoints.living("news") == []
        assert shop.endpoints.replicas("news")[0].state == "stopped"
        assert "refused" in [event.kind for event in shop.endpoints.events("news")]

    asyncio.run(run())


def test_keys_metrics_log_and_readiness(shop: Shop) -> None:
    shop.promoted("one")
    access = io.StringIO()

    async def run() -> None:
        async with running(shop.server(access=access)) as server, httpx.AsyncClient(base_url=server.url) as plain:
            assert (await plain.get("/healthz")).json()["ready"] is True
            assert (await plain.get("/v1/models", headers={"host": "evil.example"})).status_code == 403
            async with client(server) as asked:
                await ask(asked)
            _, key = shop.keys.create("ana", "t", requests_per_minute=2)
            await until(lambda: not server.gate.is_open)
            async with client(server, "cs-wrong") as asked:
                with pytest.raises(openai.AuthenticationError) as wrong:
                    await ask(asked)
                assert wrong.value.code == "invalid_api_key"
            async with client(server, key) as asked:
                await ask(asked)
                await ask(asked)
                with pytest.raises(openai.RateLimitError) as many:
                    await ask(asked)
                assert many.value.response.headers["retry-after"]
            assert (await plain.get("/metrics")).status_code == 401
            shown = await plain.get("/metrics", headers={"authorization": f"Bearer {key}"})
            assert 'route="/v1/chat/completions",status="200",version="news@1"} 3.0' in shown.text
            assert 'corpusmith_version_open{role="champion",version="news@1"} 1.0' in shown.text

    asyncio.run(run())
    lines = [json.loads(line) for line in access.getvalue().splitlines()]
    assert Counter(line["status"] for line in lines) == {200: 3, 401: 1, 403: 1, 429: 1}
    assert {line["caller"] for line in lines if line["status"] == 200} == {"anyone", "ana"}
    assert "who are you" not in access.getvalue()


def test_a_server_that_cannot_open_its_version_says_so_and_leaves_a_record(shop: Shop) -> None:
    shop.promoted("one")

    async def run() -> None:
        with pytest.raises(PreconditionError, match="news@1 cannot be served: RuntimeError: no memory"):
            async with running(shop.server(broken=("news@1",))):
                pass

    asyncio.run(run())
    assert shop.endpoints.replicas("news")[0].state == "failed"


def test_a_fixed_version_stays_whatever_the_alias_does(shop: Shop) -> None:
    shop.promoted("one")
    two = shop.version("two")

    async def run() -> None:
        async with running(shop.server("news@1", options=ServeOptions(poll_s=0.01))) as server:
            shop.promote(two)
            await asyncio.sleep(0.1)
            async with client(server) as asked:
                assert await ask(asked) == "I am news@1 ."

    asyncio.run(run())


def test_a_port_in_use_and_a_host_that_is_not_ours_are_said() -> None:
    listener = listen("127.0.0.1", 0)
    try:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(ParameterError, match=f"port {port} of 127.0.0.1 is in use"):
            listen("127.0.0.1", port)
    finally:
        listener.close()
    for host, port in (("203.0.113.7", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)):
        with pytest.raises(ParameterError):
            listen(host, port)


# -- as a process of its own ---------------------------------------------------------------------------------------


@contextmanager
def process(root: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its url, once it is ready."""
    serve = ["serve", "news", "--workspace", str(root)]
    command = [sys.executable, str(SERVERS / "plain_server.py"), *words, *serve]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        url = child.stdout.readline().strip()
        assert url.startswith("http"), child.communicate()[1]
        yield child, url
    finally:
        child.kill()
        child.communicate()


@pytest.mark.slow
def test_sigterm_lets_what_is_at_work_finish_turns_the_rest_away_and_ends_with_0(shop: Shop) -> None:
    shop.promoted("one")
    with process(shop.workspace.root, "--pause", "0.3") as (child, url):
        said: list[str] = []
        began = threading.Event()

        def stream() -> None:
            with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as asked:
                message: Any = [{"role": "user", "content": "who?"}]
                for chunk in asked.chat.completions.create(model="news", messages=message, stream=True):
                    began.set()
                    said.append(chunk.choices[0].delta.content or "")

        thread = threading.Thread(target=stream)
        thread.start()
        assert began.wait(30)
        os.kill(child.pid, signal.SIGTERM)
        with httpx.Client(base_url=url) as plain:
            while (health := plain.get("/healthz")).status_code == 200:
                pass
            assert health.json() == {"live": True, "ready": False, "state": "draining"}
            turned = plain.get("/v1/models")
            assert (turned.status_code, turned.json()["error"]["code"]) == (503, "draining")
            assert turned.headers["retry-after"]
        thread.join(30)
        assert "".join(said) == "I am news@1 ."
        assert child.wait(timeout=30) == 0
    assert [r.state for r in shop.endpoints.replicas("news")] == ["stopped"]


@pytest.mark.slow
def test_a_drain_has_an_end(shop: Shop) -> None:
    shop.promoted("one")
    with (
        process(shop.workspace.root, "--pause", "2", "--drain", "0.1") as (child, url),
        httpx.Client(base_url=url, timeout=60) as plain,
    ):
        body = {"model": "news", "messages": [{"role": "user", "content": "who?"}], "stream": True}
        with plain.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(timeout=30) == 0
            with suppress(httpx.RemoteProtocolError):
                assert "data: [DONE]" not in list(lines)


@pytest.mark.slow
def test_a_server_killed_in_a_rollout_leaves_the_alias_whole_and_the_next_serves_exactly_it(shop: Shop) -> None:
    shop.promoted("one")
    two = shop.version("two")
    with process(shop.workspace.root, "--open", "0.3") as (child, _):
        shop.promote(two)  # its opening takes 0.3 s: the kill falls into it
        child.kill()
        child.wait()
    assert shop.endpoints.living("news") == []
    champion = shop.registry.aliases("news").champion
    assert champion == 2
    with process(shop.workspace.root) as (child, url), OpenAI(base_url=f"{url}/v1", api_key="none") as asked:
        message: Any = [{"role": "user", "content": "who?"}]
        answer = asked.chat.completions.create(model="news", messages=message)
        assert answer.choices[0].message.content == f"I am news@{champion} ."
