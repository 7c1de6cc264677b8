"""The real langchain-openai and openai clients against a scripted server on loopback."""

from __future__ import annotations

import logging
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_server import OpenAIServer, Step
from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import BudgetExceeded, CorpusmithError, ParameterError, UsageError
from corpusmith.models.chat import ChatModel, open_chat
from corpusmith.models.chat_errors import (
    ModelAuthError,
    ModelBadReply,
    ModelFailure,
    ModelRateLimited,
    ModelRequestError,
    ModelServerError,
    ModelTimeout,
)

KEY = "sk-test-0123456789abcdef"
ASK = [{"role": "system", "content": "You choose."}, {"role": "user", "content": "20 % of rows are copies."}]
GOOD = {"method": "minhash", "jaccard": 0.8}


class Choice(BaseModel):
    """The method to use next."""

    model_config = ConfigDict(extra="forbid")
    method: str
    jaccard: float = Field(gt=0, le=1)


class Bench:
    """A chat model on a scripted server, with what it told and asked its budget."""

    def __init__(self, server: OpenAIServer, **given: Any) -> None:
        self.server = server
        self.used: list[tuple[int, int, float | None]] = []
        self.reserved: list[int] = []
        self.waits: list[float] = []
        options = {"api_key": KEY, "timeout_s": 5.0, "max_tokens": 100, "reserve": self.reserved.append, **given}
        self.chat = open_chat(
            "openai:scripted-1", base_url=server.url, on_usage=lambda *use: self.used.append(use),
            sleep=self.waits.append, **options,
        )  # fmt: skip

    def ask(self) -> Any:
        return self.chat.complete(ASK, Choice)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    servers: list[OpenAIServer] = []

    def start(*script: Step, **given: Any) -> Bench:
        servers.append(OpenAIServer(*script))
        return Bench(servers[-1], **given)

    yield start
    for server in servers:
        server.stop()


def test_a_tool_call_is_the_answer(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=GOOD), seed=3, usd_per_million=(1.0, 10.0))
    reply = b.ask()
    assert reply.value == Choice(**GOOD)
    assert reply.error is None
    assert (reply.tokens_in, reply.tokens_out, reply.model, reply.estimated) == (50, 10, "scripted-1", False)
    assert reply.cost_usd == pytest.approx(150e-6)
    assert b.used == [(50, 10, reply.cost_usd)]
    (sent,) = b.server.requests
    assert sent["tool_choice"]["function"]["name"] == "answer"
    assert sent["tools"][0]["function"]["description"] == "The method to use next."
    assert (sent["temperature"], sent["seed"]) == (0.0, 3)
    assert b.server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "minhash" not in str(reply.log_data("decide", "decide", "2"))


def test_a_server_that_ignores_tools_is_read_from_its_text(bench: Callable[..., Bench]) -> None:
    b = bench(Step(text='Well: ```json\n{"method": "minhash", "jaccard": 0.8}\n```'))
    assert b.ask().value == Choice(**GOOD)
    assert len(b.server.requests) == 1


def test_prose_instead_of_a_call_is_asked_for_in_words_once_and_for_all(bench: Callable[..., Bench]) -> None:
    good = Step(text='{"method": "minhash", "jaccard": 0.8}')
    b = bench(Step(text="I would take minhash."), good, good)
    first = b.ask()
    assert first.value == Choice(**GOOD)
    assert first.tokens_in == 100
    assert b.ask().value == Choice(**GOOD)
    assert ["tools" in sent for sent in b.server.requests] == [True, False, False]
    assert '"jaccard"' in b.server.requests[1]["messages"][0]["content"]


def test_a_server_that_refuses_tools_is_asked_in_words(bench: Callable[..., Bench]) -> None:
    refusal = Step(status=400, message="tools are not supported by this model")
    b = bench(refusal, Step(text='{"method": "minhash", "jaccard": 0.8}'))
    assert b.ask().value == Choice(**GOOD)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step(tool={**GOOD, "colour": "blue"}), "colour: Extra inputs"),
        (Step(tool={"method": "minhash"}), "jaccard: Field required"),
        (Step(tool='{"method": "minhash", "jacc'), "required|no JSON object"),
        (Step(tool="{}", finish="length"), "cut off after 100 tokens"),
        (Step(text="", finish="content_filter"), "content filter"),
        (Step(tool="no json at all"), "no JSON object"),
    ],
)
def test_an_answer_that_does_not_fit_comes_back_as_words(bench: Callable[..., Bench], step: Step, said: str) -> None:
    b = bench(step)
    reply = b.ask()
    assert reply.value is None
    assert re.search(said, reply.error)
    assert b.used == [(50, 10, None)]
    assert len(b.server.requests) == 1


def test_unknown_fields_around_the_answer_do_not_matter(bench: Callable[..., Bench]) -> None:
    body = Step(tool=GOOD).render().replace(b'"object"', b'"surprise": {"deep": [1]}, "object"')
    assert bench(Step(body=body)).ask().value == Choice(**GOOD)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [({"retry-after": "3"}, [3.0, 3.0]), ({"retry-after-ms": "250"}, [0.25, 0.25]), ({}, [0.5, 1.0]),
     ({"retry-after": "soon"}, [0.5, 1.0])],
)  # fmt: skip
def test_rate_limit_is_waited_out(bench: Callable[..., Bench], headers: dict[str, str], waits: list[float]) -> None:
    busy = Step(status=429, headers=headers)
    b = bench(busy, busy, Step(tool=GOOD))
    assert b.ask().value == Choice(**GOOD)
    assert b.waits == waits
    assert b.used == [(50, 10, None)]
    assert len(b.reserved) == 3


@pytest.mark.parametrize(
    ("steps", "kind", "requests", "retry_after"),
    [
        ([Step(status=429, headers={"retry-after": "2"})] * 3, ModelRateLimited, 3, 2.0),
        ([Step(status=429, headers={"retry-after": "3600"})], ModelRateLimited, 1, 3600.0),
        ([Step(status=429, code="insufficient_quota")], ModelRateLimited, 1, None),
        ([Step(status=500)] * 3, ModelServerError, 3, None),
        ([Step(status=503)] * 3, ModelServerError, 3, None),
        ([Step(tool=GOOD, cut=True)] * 3, ModelServerError, 3, None),
        ([Step(status=401)], ModelAuthError, 1, None),
        ([Step(status=403)], ModelAuthError, 1, None),
        ([Step(status=400)], ModelRequestError, 1, None),
        ([Step(status=404)], ModelRequestError, 1, None),
        ([Step(status=418)], ModelRequestError, 1, None),
        ([Step(body=b'{"id": "chatcmpl-1", "choi')], ModelBadReply, 1, None),
        ([Step(body=b'{"choices": []}')], ModelBadReply, 1, None),
        ([Step(body=b'{"choices": null}')], ModelBadReply, 1, None),
        ([Step(body=b"<html>hello</html>", headers={"Content-Type": "text/html"})], ModelBadReply, 1, None),
        ([Step(body=b"[]")], ModelBadReply, 1, None),
    ],
)
def test_failures_have_types_and_bounds(
    bench: Callable[..., Bench], steps: list[Step], kind: type[ModelFailure], requests: int, retry_after: float | None
) -> None:
    b = bench(*steps)
    with pytest.raises(kind) as caught:
        b.ask()
    assert type(caught.value) is kind
    assert len(b.server.requests) == requests
    assert len(b.waits) == requests - 1
    assert isinstance(caught.value, CorpusmithError)
    assert caught.value.hint
    assert isinstance(caught.value, UsageError) == (kind in (ModelAuthError, ModelRequestError))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.fields) == (kind, str(caught.value), caught.value.fields)
    if isinstance(caught.value, ModelRateLimited):
        assert caught.value.retry_after == retry_after
        assert b.used == []


def test_silence_is_a_timeout_and_may_have_cost(bench: Callable[..., Bench]) -> None:
    b = bench(Step(hang_s=30), Step(tool=GOOD), timeout_s=0.3)
    reply = b.ask()
    assert reply.value == Choice(**GOOD)
    assert reply.estimated
    assert b.used[0][0] > 0
    assert b.used[1] == (50, 10, None)

    b = bench(Step(hang_s=30), timeout_s=0.3, max_retries=0)
    with pytest.raises(ModelTimeout, match="no answer in time"):
        b.ask()


def test_an_answer_that_drips_is_a_timeout(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=GOOD, drip_s=0.05), timeout_s=0.3, max_retries=0)
    with pytest.raises(ModelTimeout):
        b.ask()


def test_an_answer_without_end_is_broken_off(bench: Callable[..., Bench]) -> None:
    b = bench(Step(text="x" * 9_000_000), max_retries=0)
    with pytest.raises(ModelServerError, match="broke off"):
        b.ask()


def test_a_server_that_is_not_there() -> None:
    waits: list[float] = []
    chat = open_chat("openai:m", base_url="http://127.0.0.1:9/v1", api_key=KEY, sleep=waits.append)
    with pytest.raises(ModelServerError, match="not reached"):
        chat.complete(ASK, Choice)
    assert len(waits) == 2


def test_a_huge_reply_is_an_error_and_a_short_excerpt(bench: Callable[..., Bench]) -> None:
    b = bench(*[Step(text="{" * 3_000_000)] * 2)
    reply = b.ask()
    assert reply.value is None
    assert len(reply.raw_excerpt) <= 301


def test_usage_that_is_missing_is_estimated(bench: Callable[..., Bench]) -> None:
    reply = bench(Step(tool=GOOD, usage=None)).ask()
    assert reply.estimated
    assert reply.tokens_in > 30
    assert reply.tokens_out > 5


def test_a_cost_that_the_server_names_counts(bench: Callable[..., Bench]) -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60, "cost": 0.25}
    assert bench(Step(tool=GOOD, usage=usage), usd_per_million=(1.0, 1.0)).ask().cost_usd == 0.25


def test_a_spent_budget_sends_nothing(bench: Callable[..., Bench]) -> None:
    left = [400]

    def reserve(tokens: int) -> None:
        if tokens > left[0]:
            raise BudgetExceeded("tokens are spent", account="tokens")

    b = bench(Step(status=500), Step(tool=GOOD), reserve=reserve)
    left[0] = 10
    with pytest.raises(BudgetExceeded):
        b.ask()
    assert b.server.requests == []

    b = bench(Step(status=500), Step(tool=GOOD), reserve=reserve)
    b.chat._sleep = lambda _: left.__setitem__(0, 10)
    left[0] = 10_000
    with pytest.raises(BudgetExceeded):
        b.ask()
    assert len(b.server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_key_in_errors_or_logs(
    bench: Callable[..., Bench], status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    leak = Step(status=status, message=f"key {KEY} and Bearer {KEY[:-3]} are wrong")
    b = bench(leak, max_retries=0, api_key=None)
    with pytest.raises(ModelFailure) as caught:
        b.ask()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(b.chat) + caplog.text
    assert KEY[:-3] not in shown + repr(caught.value.fields)
    assert caught.value.__context__ is None


def test_a_key_in_the_reply_is_masked(bench: Callable[..., Bench]) -> None:
    reply = bench(*[Step(text=f"your key is {KEY}")] * 2).ask()
    assert KEY not in repr(reply)


def test_a_local_server_needs_no_key(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert bench(Step(tool=GOOD), api_key=None).ask().value == Choice(**GOOD)
    with pytest.raises(ModelAuthError, match=r"needs a key.*OPENAI_API_KEY"):
        open_chat("openai:gpt-4o-mini")


@pytest.mark.parametrize("name", ["", "no-such-provider:x", "whatever"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ParameterError, match="provider:name"):
        open_chat(name, api_key=KEY)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain.chat_models import base

    base._get_chat_model_creator.cache_clear()
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(ParameterError, match=r"pip install 'corpusmith\[llm\]'"):
        open_chat("openai:gpt-4o-mini", api_key=KEY)


def test_a_bare_name_is_a_model_of_the_server(bench: Callable[..., Bench]) -> None:
    b = bench(Step(tool=GOOD))
    chat = open_chat("my-llama", base_url=b.server.url, api_key=KEY)
    assert chat.complete(ASK, Choice).value == Choice(**GOOD)
    assert b.server.requests[0]["model"] == "my-llama"


def test_any_langchain_model_will_do() -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    chat = ChatModel("fake", FakeListChatModel(responses=['{"method": "minhash", "jaccard": 0.8}']))
    assert chat.complete(ASK, Choice).value == Choice(**GOOD)
