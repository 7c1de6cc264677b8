"""Asking a model at the loopback provider: in order, within bounds, through failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fine_tuning_server import BASES, KEY, Fault, FineTuningServer
from pydantic import SecretStr

from corpusmith.core.errors import Cancelled, PreconditionError
from corpusmith.models.chat_errors import ModelAuthError, ModelRequestError, ModelServerError
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hosted.answers import generate

MODEL, CHAT = BASES[0], "POST /v1/chat/completions"
Access = Callable[..., HostedAccess]


def questions(count: int) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(f"in#{n}", [("system", "Be short."), ("user", f"Q{n}")]) for n in range(count)]


def test_answers_come_in_the_order_of_the_rows_and_no_more_are_asked_at_once(
    provider: FineTuningServer, access: Access
) -> None:
    used: list[tuple[int, int]] = []
    said: list[str] = []
    found = generate(
        MODEL, questions(60), access(), max_tokens=9, at_once=3, emit=said.append, on_usage=lambda *n: used.append(n)
    )
    assert found.row_ids == tuple(f"in#{n}" for n in range(60))
    assert found.texts == tuple(f"to Q{n}" for n in range(60))
    assert (set(found.tokens), set(found.ended), found.refused) == ({3}, {True}, {})
    assert used == [(7, 3)] * 60
    assert provider.most_at_once <= 3
    assert said == [f"{MODEL}: 50 of 60 answered"]


def test_the_reference_is_never_sent(provider: FineTuningServer, access: Access) -> None:
    seen: list[dict[str, Any]] = []
    provider.answer = lambda body: str(seen.append(body))
    generate(MODEL, [("a", [("user", "Q"), ("assistant", "secret")])], access(), max_tokens=9, temperature=None)
    assert seen[0]["messages"] == [{"role": "user", "content": "Q"}]
    assert seen[0].keys() == {"messages", "model", "max_tokens"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(CHAT, 429, times=2, headers={"retry-after": "0.01"}),
        Fault(CHAT, 500, times=2),
        Fault(CHAT, None, times=2),
        Fault(CHAT, times=2, body=b'{"choices": []}'),
    ],
)
def test_what_passes_is_asked_again(provider: FineTuningServer, access: Access, fault: Fault) -> None:
    provider.faults = [Fault(**vars(fault))]
    assert generate(MODEL, questions(2), access(), max_tokens=9).texts == ("to Q0", "to Q1")


def test_a_row_that_the_provider_will_not_answer_is_counted_and_the_rest_goes_on(
    provider: FineTuningServer, access: Access
) -> None:
    provider.faults = [Fault(CHAT, 400, message="this is too long")]
    found = generate(MODEL, [*questions(3), ("empty", [])], access(), max_tokens=9, at_once=1)
    assert found.texts == ("", "to Q1", "to Q2", "")
    assert found.refused.keys() == {"in#0", "empty"}
    assert "this is too long" in found.refused["in#0"]
    assert found.refused["empty"] == "it has no prompt"


def test_no_answer_at_all_is_an_error(provider: FineTuningServer, access: Access) -> None:
    provider.faults = [Fault(CHAT, 400, times=99, message="no")]
    with pytest.raises(PreconditionError, match="answered none of 3 rows"):
        generate(MODEL, questions(3), access(), max_tokens=9)
    assert generate(MODEL, [], access(), max_tokens=9).texts == ()


def test_a_model_or_key_that_is_none_ends_it_at_once(provider: FineTuningServer, access: Access) -> None:
    with pytest.raises(ModelRequestError, match="does not exist"):
        generate("ft:gone", questions(50), access(), max_tokens=9, at_once=2)
    assert len(provider.asked) < 50
    with pytest.raises(ModelAuthError) as caught:
        generate(MODEL, questions(1), access(api_key=SecretStr("sk-wrong-9876543210")), max_tokens=9)
    assert "sk-" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_provider_that_breaks_down_ends_it_rather_than_counting_wrong_answers(
    provider: FineTuningServer, access: Access
) -> None:
    provider.faults = [Fault(CHAT, 500, times=99)]
    with pytest.raises(ModelServerError):
        generate(MODEL, questions(9), access(), max_tokens=9)


def test_it_stops_when_it_is_told_to(provider: FineTuningServer, access: Access) -> None:
    class Stop:
        def check(self) -> None:
            if len(provider.asked) > 3:
                raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        generate(MODEL, questions(200), access(), max_tokens=9, at_once=2, cancel=Stop())
    assert len(provider.asked) < 200
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
