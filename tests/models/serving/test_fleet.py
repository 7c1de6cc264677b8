from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from served_doubles import PlainModel

from corpusmith.core.errors import CorpusmithError, NotFoundError, PreconditionError, WorkspaceError
from corpusmith.models.serving.contract import ANYONE, Asked, Caller, Sampling
from corpusmith.models.serving.fleet import FollowingFleet, Wish

STEP_S = 0.002


class World:
    """A registry in memory, what was opened and closed, and what was told."""

    def __init__(self, champion: str = "news@1") -> None:
        self.wish = Wish(champion, generation=1)
        self.away = False
        self.log: list[tuple[str, str]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.models: dict[str, PlainModel] = {}
        self.broken: dict[str, str] = {}
        self.most_open = 0
        self.opening: asyncio.Event | None = None
        self.held: set[str] = set()
        self.let_open = asyncio.Event()

    def read(self) -> Wish:
        if self.away:
            raise WorkspaceError("the ledger is locked")
        return self.wish

    def want(self, champion: str, canary: str | None = None, share: float = 0.0) -> None:
        self.wish = Wish(champion, canary, share, self.wish.generation + 1)

    async def open(self, ref: str) -> PlainModel:
        if ref in self.held:
            await self.let_open.wait()
        if self.broken.get(ref) == "open":
            raise CorpusmithError("its files are gone")
        model = PlainModel(ref, self.log)
        model.broken = self.broken.get(ref) == "answer"
        self.models[ref] = model
        counts = Counter(what for what, _ in self.log)
        self.most_open = max(self.most_open, counts["open"] - counts["close"])
        return model

    def tell(self, kind: str, evidence: Any) -> None:
        self.told.append((kind, dict(evidence)))

    @asynccontextmanager
    async def fleet(self, **more: Any) -> AsyncIterator[FollowingFleet]:
        fleet = FollowingFleet("news", self, self.open, tell=self.tell, poll_s=STEP_S, **more)
        await fleet.start()
        try:
            yield fleet
        finally:
            await fleet.close()
            assert all(model.closed for model in self.models.values())


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(STEP_S)


async def ask(fleet: FollowingFleet, name: str = "news", caller: str = ANYONE) -> str:
    async with fleet.lend(name, caller) as model:
        return "".join([p.text async for p in model.generate([1], Sampling(max_tokens=9))])


def test_a_promotion_is_followed_beside_the_old_version_which_is_closed_afterwards() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            assert await ask(fleet) == "I am news@1 ."
            async with fleet.lend("news", ANYONE) as held:
                world.want("news@2")
                await until(lambda: fleet.state().version == "news@2")
                assert await ask(fleet) == "I am news@2 ."
                assert held.ref == "news@1"
                assert not world.models["news@1"].closed
            await until(lambda: world.models["news@1"].closed)
            assert fleet.names() == ["news", "news@2"]
            assert fleet.state().generation == 2
        assert ("switched", {"from": "news@1", "to": "news@2"}) in world.told

    asyncio.run(run())


def test_a_rollback_to_a_version_that_is_still_open_opens_nothing() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet, fleet.lend("news", ANYONE):
            world.want("news@2")
            await until(lambda: fleet.state().version == "news@2")
            world.want("news@1")
            await until(lambda: fleet.state().version == "news@1")
            assert [what for what in world.log if what == ("open", "news@1")] == [("open", "news@1")]

    asyncio.run(run())


@pytest.mark.parametrize("how", ["open", "answer"])
def test_a_version_that_does_not_work_is_never_switched_to_and_is_told(how: str) -> None:
    async def run() -> None:
        world = World()
        world.broken["news@2"] = how
        async with world.fleet() as fleet:
            world.want("news@2")
            await until(lambda: "news@2" in fleet.state().troubles)
            for _ in range(5):
                assert await ask(fleet) == "I am news@1 ."
                await asyncio.sleep(STEP_S)
            assert fleet.state().version == "news@1"
            assert fleet.state().generation == 1
            kinds = [kind for kind, _ in world.told if kind == "refused"]
            assert len(kinds) == 1  # not tried again before its time
            world.want("news@1")
            await until(lambda: fleet.state().generation == 3)
            assert fleet.state().troubles == {}

    asyncio.run(run())


def test_a_version_in_trouble_is_tried_again_later() -> None:
    async def run() -> None:
        world = World()
        world.broken["news@2"] = "open"
        async with world.fleet(retry_s=0.0) as fleet:
            world.want("news@2")
            await until(lambda: "news@2" in fleet.state().troubles)
            world.broken.clear()
            await until(lambda: fleet.state().version == "news@2")

    asyncio.run(run())


def test_an_alias_that_moved_back_while_the_version_was_opened_is_obeyed() -> None:
    async def run() -> None:
        world = World()
        world.held.add("news@2")
        async with world.fleet():
            world.want("news@2")
            await asyncio.sleep(5 * STEP_S)
            world.want("news@1")
            world.let_open.set()
            await until(lambda: ("close", "news@2") in world.log)
            assert not [kind for kind, said in world.told if kind == "switched" and said["to"] == "news@2"]

    asyncio.run(run())


def test_no_more_than_two_are_open_and_three_with_a_canary() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            async with fleet.lend("news", ANYONE):
                world.want("news@2")
                await until(lambda: fleet.state().version == "news@2")
                world.want("news@3")
                await asyncio.sleep(10 * STEP_S)
                assert fleet.state().version == "news@2"  # the first is still lent: there is no room for a third
            await until(lambda: fleet.state().version == "news@3")
            assert world.most_open == 2
            async with fleet.lend("news", ANYONE):
                world.want("news@4", "news@5", 0.5)
                await until(lambda: fleet.state().version == "news@4")
            await until(lambda: fleet.state().canary == "news@5")
            assert world.most_open <= 3

    asyncio.run(run())


def test_a_canary_gets_its_share_and_a_caller_stays_on_its_side() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            world.want("news@1", "news@2", 0.2)
            await until(lambda: fleet.state().canary == "news@2")
            assert fleet.state().generation == 2
            answers = Counter([await ask(fleet) for _ in range(500)])
            assert 98 <= answers["I am news@2 ."] <= 102
            sides = [{await ask(fleet, caller=f"key {n}") for _ in range(3)} for n in range(200)]
            assert all(len(side) == 1 for side in sides)
            assert 20 <= sum(side == {"I am news@2 ."} for side in sides) <= 60
            assert await ask(fleet, "news@2") == "I am news@2 ."
            assert await ask(fleet, "news@1") == "I am news@1 ."
            world.want("news@2")  # it was promoted: nothing is opened, the old one goes
            await until(lambda: world.models["news@1"].closed)
            assert world.log.count(("open", "news@2")) == 1
            assert {await ask(fleet) for _ in range(20)} == {"I am news@2 ."}

    asyncio.run(run())


def test_a_canary_that_is_taken_back_gets_nothing_more() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            world.want("news@1", "news@2", 1.0)
            await until(lambda: fleet.state().canary == "news@2")
            assert await ask(fleet) == "I am news@2 ."
            assert fleet.is_canary("news@2")
            world.want("news@1")
            await until(lambda: world.models["news@2"].closed)
            assert await ask(fleet) == "I am news@1 ."
            with pytest.raises(NotFoundError, match="no model 'news@2'"):
                await ask(fleet, "news@2")

    asyncio.run(run())


def test_a_registry_that_is_away_changes_nothing() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            world.away = True
            world.want("news@2")
            await asyncio.sleep(5 * STEP_S)
            assert await ask(fleet) == "I am news@1 ."
            world.away = False
            await until(lambda: fleet.state().version == "news@2")

    asyncio.run(run())


def test_a_server_does_not_start_with_a_version_that_does_not_work() -> None:
    async def run() -> None:
        world = World()
        world.broken["news@1"] = "answer"
        with pytest.raises(PreconditionError, match=r"news@1 cannot be served: RuntimeError: news@1 broke"):
            async with world.fleet():
                pass
        assert world.models["news@1"].closed

    asyncio.run(run())


def test_both_sides_are_counted() -> None:
    async def run() -> None:
        world = World()
        async with world.fleet() as fleet:
            for status, seconds in ((200, 0.2), (200, 0.1), (500, 9.0), (400, 9.0), (499, 9.0)):
                fleet.count(Asked("r", "/v1/completions", Caller("k"), "news", "news@1", status, seconds=seconds))
            fleet.count(Asked("r", "/v1/completions", Caller("k"), "news", "", 404))
            assert fleet.state().counts == {"news@1": {"requests": 5, "errors": 1, "p95_s": 0.2}}

    asyncio.run(run())


def test_many_moves_under_load_lose_no_request_and_open_no_more_than_two() -> None:
    async def run() -> None:
        world = World()
        answers: Counter[str] = Counter()
        stop = False

        async def client() -> None:
            while not stop:
                answers[await ask(fleet)] += 1
                await asyncio.sleep(0)

        async with world.fleet() as fleet:
            clients = [asyncio.create_task(client()) for _ in range(20)]
            for move in range(30):
                want = f"news@{1 + (move + 1) % 2}" if move % 5 else f"news@{3 + move}"
                world.want(want)
                await until(lambda want=want: fleet.state().version == want)
            stop = True
            await asyncio.gather(*clients)  # raises what any of them met
        assert sum(answers.values()) > 100
        assert len(answers) >= 5
        assert world.most_open == 2

    asyncio.run(run())
