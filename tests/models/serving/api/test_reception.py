"""Clients that hang up, requests that take too long, answers that break off: everything is given back and recorded."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import openai
import pytest
from asgi_caller import call

from corpusmith.models.serving.api.app import create_app
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.api.visit import Visit
from corpusmith.models.serving.contract import Caller, Piece, Refused, Sampling
from corpusmith.models.serving.plain import FixedFleet, Listed, OpenGate

CLIENTS = 200


class Slow:
    """A model that makes a word, waits for ever or fails, by what it is told to do."""

    ref, context = "slow@1", 1000

    def __init__(self) -> None:
        self.open, self.closed = 0, 0

    def chat_ids(self, messages: Sequence[Any], tools: Sequence[Any] = ()) -> list[int]:
        return [["wait", "word, wait", "word, fail", "fail"].index(messages[-1]["content"])]

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> Any:
        self.open += 1
        try:
            if ids[0] in (1, 2):
                yield Piece("word")
            if ids[0] >= 2:
                raise RuntimeError("a defect")
            await asyncio.Event().wait()
        finally:
            self.open -= 1
            self.closed += 1

    async def score(self, ids: Sequence[int], top: int) -> Any:
        raise NotImplementedError

    async def embed(self, prompts: Sequence[Sequence[int]]) -> Any:
        raise NotImplementedError


def app_of(model: Any, gate: Any = None, **limits: Any) -> tuple[Any, FixedFleet, Listed]:
    fleet, recorder = FixedFleet({"slow": model}), Listed()
    return create_app(fleet, gate or OpenGate(), recorder, limits=Limits(**limits)), fleet, recorder


def body_of(said: str, **more: Any) -> bytes:
    return json.dumps({"model": "slow", "messages": [{"role": "user", "content": said}], **more}).encode()


def test_a_client_that_hangs_up_gives_back_what_it_borrowed() -> None:
    async def scene() -> None:
        model = Slow()
        app, fleet, recorder = app_of(model)
        for said, stream in (("wait", False), ("wait", True), ("word, wait", True), ("word, wait", False)):
            gone = asyncio.Event()
            task = asyncio.create_task(call(app, body_of(said, stream=stream, n=2), gone))
            while model.open < 2:
                await asyncio.sleep(0)
            assert fleet.lent == 1
            for _ in range(20):
                await asyncio.sleep(0)
            gone.set()
            await task
            assert (model.open, fleet.lent) == (0, 0)
            assert recorder.asked[-1].status == 499
        assert len(recorder.asked) == 4
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    saw = Visit.saw

    def saw_and_is_late(visit: Visit, index: int, piece: Piece) -> None:
        saw(visit, index, piece)
        visit.deadline = asyncio.get_running_loop().time()

    monkeypatch.setattr(Visit, "saw", saw_and_is_late)

    async def scene() -> None:
        model = Slow()
        app, fleet, recorder = app_of(model)
        sent = await call(app, body_of("word, wait"))
        assert sent[0]["status"] == 408
        headers = dict(sent[0]["headers"])
        assert headers[b"x-should-retry"] == b"false"
        assert json.loads(sent[1]["body"])["error"]["code"] == "took_too_long"
        sent = await call(app, body_of("word, wait", stream=True))
        assert sent[0]["status"] == 200
        events = b"".join(one["body"] for one in sent[1:]).decode().split("\n\n")
        assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "took_too_long"
        assert [one.status for one in recorder.asked] == [408, 408]
        assert recorder.asked[1].answer == "word"
        assert (model.open, fleet.lent) == (0, 0)

    asyncio.run(scene())


def test_a_defect_is_an_error_object_before_and_within_a_stream() -> None:
    async def scene() -> None:
        app, fleet, recorder = app_of(Slow())
        for body in (body_of("fail"), body_of("fail", stream=True), body_of("word, fail")):
            sent = await call(app, body)
            assert sent[0]["status"] == 500
            assert json.loads(sent[1]["body"])["error"]["code"] == "internal_error"
        sent = await call(app, body_of("word, fail", stream=True))
        last = b"".join(one["body"] for one in sent[1:]).decode().strip().split("\n\n")[-1]
        error = json.loads(last.removeprefix("data: "))["error"]
        assert (error["code"], error["type"]) == ("internal_error", "server_error")
        assert "defect" not in error["message"]
        assert [one.status for one in recorder.asked] == [500] * 4
        assert fleet.lent == 0

    asyncio.run(scene())


def test_who_is_not_let_in() -> None:
    class Shut(OpenGate):
        def admit(self, headers: Any) -> Caller:
            raise Refused(429, "too often", "requests", code="rate_limit_exceeded", retry_after_s=1.5)

    async def scene() -> None:
        app, _, recorder = app_of(Slow(), Shut())
        sent = await call(app, b"{" * 10)
        headers = dict(sent[0]["headers"])
        assert sent[0]["status"] == 429
        assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (b"2", b"1500")
        assert headers[b"x-request-id"].decode() == recorder.asked[0].id
        assert recorder.asked[0].status == 429
        assert (await call(app, b"", path="/healthz"))[0]["status"] == 405

    asyncio.run(scene())


def test_nothing_said_by_who_wants_it_redacted_is_recorded() -> None:
    class Quiet(OpenGate):
        def admit(self, headers: Any) -> Caller:
            return Caller("key", redact=True)

    async def scene() -> None:
        app, _, recorder = app_of(Slow(), Quiet(), request_s=0.05)
        await call(app, body_of("word, wait"))
        assert (recorder.asked[0].prompt, recorder.asked[0].answer) == (None, None)

    asyncio.run(scene())


def test_an_error_within_a_stream_is_raised_by_the_client(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpusmith.models.serving.batch import Batch

    step, left = Batch.step, [3]

    def fails(self: Any, tokens: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise RuntimeError("no memory")
        return step(self, tokens)

    monkeypatch.setattr(Batch, "step", fails)
    ends = {str(token): -100 for token in served.opened.ends}
    stream = served.client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "a"}], max_tokens=50, logit_bias=ends, stream=True
    )
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == "internal_error"


def test_clients_that_hang_up_leak_nothing(served: Any) -> None:
    ends = {str(token): -100 for token in served.opened.ends}
    body = {"model": "tiny", "prompt": "The river", "max_tokens": 240, "stream": True, "logit_bias": ends}
    before = len(served.recorder.asked)

    def ours() -> list[Any]:  # what an earlier test asked for in chat may end only now
        return [one for one in served.recorder.asked[before:] if one.route == "/v1/completions"]

    async def hang_up(client: httpx.AsyncClient, n: int) -> None:
        async with client.stream("POST", f"{served.url}/v1/completions", json=body) as answer:
            async for _ in answer.aiter_lines():
                break

    async def crowd() -> None:
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=40)) as client:
            await asyncio.gather(*(hang_up(client, n) for n in range(CLIENTS)))
        for _ in range(1000):
            if len(ours()) == CLIENTS and served.engine.load == (0, 0):
                break
            await asyncio.sleep(0.01)

    asyncio.run(crowd())
    asked = ours()
    assert len(asked) == CLIENTS
    gone = [one for one in asked if one.status == 499]
    assert len(gone) > CLIENTS / 2  # some may be answered before the server hears of it
    assert all(one.answer_tokens < 240 for one in gone)
    assert served.engine.load == (0, 0)
    assert served.fleet.lent == 0
    for _ in range(100):  # the last of them may still be on its way out of the server's loop
        gc.collect()
        left = [name for one in gc.get_objects() if (name := type(one).__name__) in ("Answering", "Visit")]
        if not left:
            break
        time.sleep(0.1)
    assert left == []
