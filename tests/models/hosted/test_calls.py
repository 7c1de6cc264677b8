"""What a provider's refusals become, and what is asked again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fine_tuning_server import KEY, Fault, FineTuningServer

from corpusmith.core.errors import UsageError
from corpusmith.models.chat_errors import (
    ModelAuthError,
    ModelBadReply,
    ModelFailure,
    ModelRateLimited,
    ModelRequestError,
    ModelServerError,
    ModelTimeout,
)
from corpusmith.models.hosted.access import HostedAccess, open_client
from corpusmith.models.hosted.calls import Caller, passes
from corpusmith.models.hosted.jobs import HostedJobs

ANY = "GET .*"


def look(access: HostedAccess, waits: list[float]) -> None:
    with open_client(access) as client:
        HostedJobs(client, Caller(access, waits.append)).job("ftjob-0001")


@pytest.mark.parametrize(
    ("fault", "kind", "again"),
    [
        (Fault(ANY, 401, times=9), ModelAuthError, False),
        (Fault(ANY, 403, times=9), ModelAuthError, False),
        (Fault(ANY, 404, times=9), ModelRequestError, False),
        (Fault(ANY, 400, times=9), ModelRequestError, False),
        (Fault(ANY, 422, times=9), ModelRequestError, False),
        (Fault(ANY, 408, times=9), ModelTimeout, True),
        (Fault(ANY, 409, times=9), ModelServerError, True),
        (Fault(ANY, 429, times=9), ModelRateLimited, True),
        (Fault(ANY, 429, times=9, code="insufficient_quota"), ModelRateLimited, False),
        (Fault(ANY, 500, times=9), ModelServerError, True),
        (Fault(ANY, 503, times=9), ModelServerError, True),
        (Fault(ANY, None, times=9), ModelServerError, True),
        (Fault(ANY, times=9, body=b""), ModelBadReply, True),
        (Fault(ANY, times=9, body=b"<html>"), ModelBadReply, True),
        (Fault(ANY, times=9, body=b"[]"), ModelBadReply, True),
        (Fault(ANY, times=9, body=b'{"id": "", "status": "running"}'), ModelBadReply, True),
        (Fault(ANY, times=9, body=b"<html>", headers={"Content-Type": "text/html"}), ModelBadReply, True),
    ],
)
def test_each_refusal_has_its_kind(
    provider: FineTuningServer,
    access: Callable[..., HostedAccess],
    fault: Fault,
    kind: type[ModelFailure],
    again: bool,
) -> None:
    provider.faults, waits = [Fault(**vars(fault))], []
    with pytest.raises(kind) as caught:
        look(access(backoff_s=2.0), waits)
    assert type(caught.value) is kind
    assert waits == ([2.0, 4.0] if again else [])
    assert passes(caught.value) is again
    assert isinstance(caught.value, UsageError) == (kind in (ModelAuthError, ModelRequestError))
    assert caught.value.hint
    assert "127.0.0.1" in caught.value.message


def test_the_provider_says_how_long_to_wait(provider: FineTuningServer, access: Callable[..., HostedAccess]) -> None:
    provider.faults = [Fault(ANY, 429, headers={"retry-after": "7"}), Fault(ANY, 404)]
    waits: list[float] = []
    with pytest.raises(ModelRequestError):
        look(access(), waits)
    assert waits == [7.0]


def test_an_answer_that_does_not_come_in_time(provider: FineTuningServer, access: Callable[..., HostedAccess]) -> None:
    provider.faults = [Fault(ANY, hang_s=2.0)]
    with pytest.raises(ModelTimeout, match="no answer in time to: look at job"):
        look(access(timeout_s=0.1, attempts=1), [])


def test_a_server_that_is_not_there() -> None:
    nowhere = HostedAccess(base_url="http://127.0.0.1:9/v1", attempts=1, timeout_s=1.0)
    with pytest.raises(ModelServerError, match=r"127\.0\.0\.1:9 was not reached") as caught:
        look(nowhere, [])
    assert "OPENAI_BASE_URL" in caught.value.hint


def test_messages_hold_no_key(provider: FineTuningServer, access: Callable[..., HostedAccess]) -> None:
    provider.faults = [Fault(ANY, 400, message=f"{KEY} and Bearer abc.def and sk-proj-aaaaaaaaaa are wrong")]
    with pytest.raises(ModelRequestError, match=r"\[key\] and \[key\] and \[key\] are wrong") as caught:
        look(access(), [])
    assert "sk-" not in f"{caught.value}{caught.value.fields}"
