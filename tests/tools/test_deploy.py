"""deploy over a real registry, a real server and real requests; only the models are doubles."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")
from hand_made_models import GOOD, commit_files
from plain_server import Shop

from corpusmith.core.errors import ApprovalRequired, ParameterError, PreconditionError
from corpusmith.core.tools import Effect
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import GUARDED, Runner, StepOutcome
from corpusmith.models.serving.access import ServingAccess
from corpusmith.models.serving.launch import Launcher, stop_endpoint
from corpusmith.models.serving.server import ModelServer, ServeOptions
from corpusmith.store.model_records import ModelVersion
from corpusmith.store.servers import Servers
from corpusmith.tools.deploy import TOOL, DeployParams, settled

PLAIN_SERVER = Path(__file__).parents[1] / "servers" / "plain_server.py"


class Bench(Shop):
    """A shop, and the tool called through the one door with every approval given."""

    def __init__(self, root: Path, *words: str) -> None:
        super().__init__(root)
        launcher = Launcher((sys.executable, str(PLAIN_SERVER), *words), root)
        self.access = ServingAccess(self.endpoints, self.keys, launcher)
        services = {"registry": self.registry, "serving": self.access}
        self.engine = LocalEngine(workers=1)
        self.runner = Runner(self.workspace, self.engine, "r-1", approve=lambda *_: "grant", services=services)

    def deploy(self, version: ModelVersion, **more: Any) -> StepOutcome:
        params = {"name": "news", "version": version.version, "port": 0, "probes": 3, "health_timeout_s": 60.0, **more}
        return self.runner.run_step(TOOL, params, {"model": version.artifact})

    @contextmanager
    def serving(self, **more: Any) -> Iterator[ModelServer]:
        """A server in a thread of this process."""
        server = self.server(options=ServeOptions(poll_s=0.02), **more)
        ready = threading.Event()
        loop: list[asyncio.AbstractEventLoop] = []

        async def life() -> None:
            loop.append(asyncio.get_running_loop())
            await server.run(ready.set, signals=False)

        thread = threading.Thread(target=lambda: asyncio.run(life()))
        thread.start()
        assert ready.wait(30)
        try:
            yield server
        finally:
            loop[0].call_soon_threadsafe(server.stop)
            thread.join(30)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "ws")
    yield made
    made.engine.close()
    made.workspace.close()


def kinds(bench: Bench) -> list[str]:
    return [event.kind for event in bench.endpoints.events("news")]


def test_it_is_guarded_and_asks_before_anything_is_done(bench: Bench) -> None:
    assert Effect.DEPLOY in TOOL.effects & GUARDED
    version = bench.promoted("one")
    bench.runner.approve = lambda *_: "ask"
    with pytest.raises(ApprovalRequired, match="deploy needs an approval"):
        bench.deploy(version)
    bench.runner.approve = lambda *_: "deny"
    with pytest.raises(PreconditionError, match="denied"):
        bench.deploy(version, probes=4)
    assert bench.endpoints.all() == []


def test_only_what_the_gates_let_through_is_deployed_and_nobody_is_asked_about_the_rest(bench: Bench) -> None:
    bench.runner.approve = lambda *_: pytest.fail("asked")
    first = bench.version("one")
    with pytest.raises(PreconditionError, match=r"news@1 is not the champion of news \(that is none\)"):
        bench.deploy(first)
    with pytest.raises(PreconditionError, match="news has no champion to compare with"):
        bench.deploy(first, canary_share=0.1)
    bench.promote(first)
    with pytest.raises(PreconditionError, match="there is nothing to try"):
        bench.deploy(first, canary_share=0.1)
    second = bench.version("two")
    with pytest.raises(PreconditionError, match="it has no evaluation that passes"):
        bench.deploy(second, canary_share=0.1)
    bench.registry.judge(second, bench.evaluation(second))
    bench.registry.judge(second, bench.evaluation(second, {**GOOD, "accuracy": None}))
    with pytest.raises(PreconditionError, match="its newest evaluation does not pass"):
        bench.deploy(second, canary_share=0.1)
    with pytest.raises(ParameterError, match="watch_s"):
        bench.deploy(first, watch_s=3)


def test_a_running_server_follows_a_canary_is_tried_and_promoted_and_the_second_time_nothing_is_done(
    bench: Bench,
) -> None:
    bench.promoted("one")
    two = bench.version("two")
    bench.registry.judge(two, bench.evaluation(two))
    with bench.serving() as server:
        done = bench.deploy(two, canary_share=0.25).result
        assert (done["deployed"], done["started"], done["canary_share"]) == (True, False, 0.25)
        assert (done["probes"], done["replicas"], done["urls"]) == (3, 1, [server.url])
        assert (bench.endpoints.get("news").canary, bench.endpoints.living("news")[0].canary) == (2, "news@2")
        bench.promote(two)
        outcome = bench.deploy(two)
        assert outcome.result["deployed"]
        assert bench.endpoints.get("news").canary is None
        bench.runner.approve = lambda *_: pytest.fail("asked")
        again = bench.deploy(two)
        assert (again.result["already"], again.result["deployed"], again.result["urls"]) == (True, True, [server.url])
        assert again.id != outcome.id
        said = json.loads(again.artifact.file("deployment.json").read_text())
        assert said["result"]["version"] == "news@2"
        health = said["facts"]["health"]
        assert [(one["url"], one["state"], one["version"]) for one in health] == [(server.url, "serving", "news@2")]
        assert again.result["ready_s"] == health[0]["ready_s"] > 0
        assert "deployed" in kinds(bench)
        assert outcome.artifact.record.kind == "endpoint"
        assert outcome.artifact.record.inputs == {"model": two.artifact}


def test_keys_are_no_hindrance_and_none_of_a_probe_is_left(bench: Bench) -> None:
    bench.promoted("one")
    two = bench.version("two")
    bench.registry.judge(two, bench.evaluation(two))
    bench.keys.create("ana", "t")
    with bench.serving() as server:
        done = bench.deploy(two, canary_share=0.5).result
        assert done["deployed"], done
        assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert [key.name for key in bench.keys.all() if key.revoked is None] == ["ana"]


def test_a_champion_that_cannot_be_opened_is_rolled_back_when_the_promotion_was_this_runs(bench: Bench) -> None:
    bench.promoted("one")
    two = bench.version("two")
    with bench.serving(broken=("news@2",)) as server:
        bench.promote(two)
        done = bench.deploy(two)
        assert not done.result["deployed"]
        assert "news@2 cannot be opened: RuntimeError: no memory" in done.result["failed"]
        assert done.result["undone"] == ["news@1 is the champion again"]
        assert bench.registry.aliases("news").champion == 1
        assert server.fleet.state().version == "news@1"
    assert "deploy failed" in kinds(bench)


def test_a_promotion_of_somebody_else_stays(bench: Bench) -> None:
    bench.promoted("one")
    two = bench.version("two")
    with bench.serving(broken=("news@2",)):
        bench.promote(two)
        other = bench.registry.__class__(
            bench.registry.database, bench.registry.artifacts, bench.registry.digest_of, "tester", "r-2"
        )
        bench.runner.services = {**bench.runner.services, "registry": other}
        done = bench.deploy(two).result
        assert (done["deployed"], done["undone"]) == (False, [])
        assert bench.registry.aliases("news").champion == 2
        assert bench.deploy(two, roll_back="always").result["undone"] == ["news@1 is the champion again"]


def test_a_canary_that_cannot_be_opened_is_removed(bench: Bench) -> None:
    bench.promoted("one")
    two = bench.version("two")
    bench.registry.judge(two, bench.evaluation(two))
    with bench.serving(broken=("news@2",)):
        done = bench.deploy(two, canary_share=0.5).result
    assert (done["deployed"], done["undone"]) == (False, ["the canary is removed"])
    assert bench.endpoints.get("news").canary is None
    assert bench.registry.aliases("news").champion == 1


def test_a_canary_that_fails_its_callers_is_removed(bench: Bench) -> None:
    bench.promoted("one")
    two = bench.version("two")
    bench.registry.judge(two, bench.evaluation(two))
    over = threading.Event()

    def callers(url: str) -> None:
        with httpx.Client(base_url=url) as client:
            while not over.is_set():
                client.post("/v1/completions", json={"model": "news", "prompt": "hi"})

    with bench.serving() as server:
        thread = threading.Thread(target=callers, args=(server.url,))
        thread.start()

        def break_it(text: str) -> None:
            if text.startswith("comparing"):
                side = server.fleet._canary
                assert side is not None
                side.model.broken = True  # type: ignore[attr-defined]

        bench.runner.emit = break_it
        try:
            done = bench.deploy(two, canary_share=0.5, watch_s=60.0).result
        finally:
            over.set()
            thread.join(30)
    assert not done["deployed"]
    assert "the canary news@2 fails" in done["failed"]
    assert done["undone"] == ["the canary is removed"]


def test_what_is_served_with_other_settings_is_not_the_same(bench: Bench) -> None:
    version = bench.promoted("one")
    index = commit_files(bench.workspace.artifacts, "index", {"index.json": b"{}"}, {}, {})
    with bench.serving() as server:
        assert bench.deploy(version).result["deployed"]
        bench.runner.approve = lambda *_: pytest.fail("asked")
        for more, said in (({"backend": "ray"}, "on uvicorn"), ({"engine": "vllm"}, "runs on the engine plain")):
            Servers(bench.workspace.database).enlist("news", "uvicorn", "plain")
            with pytest.raises(PreconditionError, match=said):
                bench.deploy(version, **more)
        params = {"name": "news", "version": 1, "port": 0}
        with pytest.raises(PreconditionError, match="already serves news on uvicorn"):
            bench.runner.run_step(TOOL, params, {"model": version.artifact, "index": index})
        assert bench.deploy(version).result["urls"] == [server.url]


def test_who_was_not_asked_may_not_act(bench: Bench) -> None:
    version = bench.promoted("one")
    with bench.serving():
        assert bench.deploy(version).result["deployed"]
        assert settled(DeployParams(name="news", version=1), {}, bench.runner.services)
    tool = replace(TOOL, settled=lambda *_: True)
    with pytest.raises(PreconditionError, match="served news@1 a moment ago and does so no more"):
        bench.runner.run_step(tool, {"name": "news", "version": 1, "port": 0}, {"model": version.artifact})
    assert bench.endpoints.living("news") == []


def test_what_is_served_otherwise_is_not_taken_over(bench: Bench) -> None:
    bench.promoted("one")
    with bench.serving(), pytest.raises(PreconditionError, match="already serves news on uvicorn"):
        bench.deploy(bench.registry.resolve("news@1"), backend="ray")
    with pytest.raises(PreconditionError, match="without API keys"):
        bench.deploy(bench.registry.resolve("news@1"), host="0.0.0.0")


@pytest.mark.slow
def test_a_server_is_started_detached_and_stopped_again(bench: Bench) -> None:
    version = bench.promoted("one")
    done = bench.deploy(version).result
    try:
        assert (done["deployed"], done["started"], done["probes"]) == (True, True, 3)
        replica = bench.endpoints.living("news")[0]
        assert httpx.get(f"{done['urls'][0]}/healthz").json()["models"]["news"] == "news@1"
        assert bench.deploy(version).result["already"]
        log = next((bench.workspace.root / "serving" / "news").glob("server-*.log"))
        assert '"status": 200' in log.read_text()
    finally:
        gone, left = stop_endpoint(bench.endpoints, "news", 30.0, kill=True)
    assert ([r.id for r in gone], left) == ([replica.id], [])
    assert kinds(bench)[:2] == ["declared", "started"]


@pytest.mark.slow
def test_a_server_that_does_not_come_up_is_undone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "ws", "--broken", "news@1")
    try:
        done = bench.deploy(bench.promoted("one")).result
        assert (done["deployed"], done["started"]) == (False, True)
        assert "no memory" in done["failed"]
        assert "the server that was started is stopped" in done["undone"]
        assert any("no previous champion" in line for line in done["undone"])
        time.sleep(0.1)
        assert bench.endpoints.living("news") == []
    finally:
        bench.engine.close()
        bench.workspace.close()
