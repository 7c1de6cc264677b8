"""Which exception of the official client each status is, and which of them it tries again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

from corpusmith.models.serving.api.app import create_app
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.contract import Caller, Piece, Refused
from corpusmith.models.serving.plain import FixedFleet, Listed, OpenGate


class Gate(OpenGate):
    """Refuses everybody with one answer, and counts them."""

    def __init__(self, refused: Refused) -> None:
        super().__init__()
        self.refused, self.asked = refused, 0

    def admit(self, headers: Any) -> Caller:
        self.asked += 1
        raise self.refused


def fails(app: Any, retries: int = 0) -> openai.APIStatusError:
    """What the client raises when it asks the application."""

    async def ask() -> openai.APIStatusError:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport) as http:
            client = openai.AsyncOpenAI(
                base_url="http://server/v1", api_key="none", max_retries=retries, http_client=http
            )
            with pytest.raises(openai.APIStatusError) as caught:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
            return caught.value

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (408, openai.APIStatusError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_every_status_is_its_exception(status: int, kind: type[openai.APIStatusError]) -> None:
    refused = Refused(status, "no", "some_type", param="model", code="some_code")
    found = fails(create_app(FixedFleet({}), Gate(refused), Listed()))
    assert type(found) is kind
    assert (found.status_code, found.code, found.type, found.param) == (status, "some_code", "some_type", "model")
    assert "no" in found.message
    assert (found.request_id or "").startswith("req_")


def test_what_may_pass_is_tried_again_after_the_time_that_is_told() -> None:
    gate = Gate(Refused(503, "busy", "server_error", code="overloaded", retry_after_s=0.001))
    fails(create_app(FixedFleet({}), gate, Listed()), retries=2)
    assert gate.asked == 3


def test_what_took_too_long_is_not_tried_again() -> None:
    class Slow:
        ref, context = "slow@1", 100

        def chat_ids(self, messages: Any, tools: Any = ()) -> list[int]:
            return [1]

        async def generate(self, ids: Any, sampling: Any) -> Any:
            await asyncio.Event().wait()
            yield Piece("")

    fleet, recorder = FixedFleet({"m": Slow()}), Listed()  # type: ignore[dict-item]
    found = fails(create_app(fleet, OpenGate(), recorder, limits=Limits(request_s=0.05)), retries=2)
    assert (found.status_code, found.code) == (408, "took_too_long")
    assert [one.status for one in recorder.asked] == [408]
