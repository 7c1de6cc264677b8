"""The door: who is let in, how much may be sent, who hung up. Plain ASGI, around all routes.

Each request is a task of its own. When the client hangs up, it is cancelled, and all that it borrowed is given back at
once; so no route has to look. Whatever happens, a request is recorded once.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from corpusmith.models.serving.api.errors import error_response, refusal_of
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.api.visit import GONE, Visit
from corpusmith.models.serving.contract import Gatekeeper, Recorder, Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
DRAINED = 16
"""How many times the limit is still read of a body that is too large, so that the client hears why."""

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class _HungUp(Exception):  # noqa: N818 - not a failure
    pass


class Reception:
    """Middleware that makes the visits."""

    def __init__(self, app: App, gatekeeper: Gatekeeper, recorder: Recorder, limits: Limits) -> None:
        self._app, self._gatekeeper, self._recorder, self._limits = app, gatekeeper, recorder, limits

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit, state = Visit(self._limits.request_s), scope.setdefault("state", {})
        visit.id, state["visit"] = state.get("request_id", visit.id), visit
        guarded = scope["path"].startswith("/v1")

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = visit.status or message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", visit.id.encode())]
            await send(message)
            visit.over = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._answer(visit, guarded, scope, receive, reply)
        finally:
            await visit.stack.aclose()
            visit.route = getattr(scope.get("route"), "path", visit.route)
            if guarded:
                self._gatekeeper.spend(visit.caller, visit.prompt_tokens + visit.answer_tokens)
                self._recorder.record(visit.asked())

    async def _answer(
        self, visit: Visit, guarded: bool, scope: MutableMapping[str, Any], receive: Receive, reply: Send
    ) -> None:
        try:
            if guarded:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                visit.caller = self._gatekeeper.admit(headers)
            async with asyncio.timeout_at(visit.deadline):
                body = await self._body(receive)
            await self._run(visit, scope, body, receive, reply)
        except _HungUp:
            visit.status = GONE
        except asyncio.CancelledError:
            visit.status = visit.status if visit.over else GONE
            raise
        except Exception as error:
            if visit.status:  # the answer has begun: all that is left is to break it off
                raise
            await error_response(refusal_of(error))(scope, receive, reply)

    async def _body(self, receive: Receive) -> bytes:
        limit, size, body, more = self._limits.body_bytes, 0, bytearray(), True
        while more and size <= DRAINED * limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HungUp
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size > limit:
                body.clear()
            else:
                body += chunk
        if size > limit:
            raise Refused(
                413, f"the request is larger than {limit:,} bytes: send less at a time", code="request_too_large"
            )
        if _HALF_PAIR.search(body) and not _is_unicode(body):
            raise Refused(400, "the body holds half a surrogate pair, which is no character", code="invalid_json")
        return bytes(body)

    async def _run(
        self, visit: Visit, scope: MutableMapping[str, Any], body: bytes, receive: Receive, reply: Send
    ) -> None:
        gone, unread = asyncio.Event(), [body]

        async def replay() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def hung_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        work, watch = asyncio.ensure_future(self._app(scope, replay, reply)), asyncio.ensure_future(hung_up())
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = not work.done()
            gone.set()
            watch.cancel()
            if left:
                work.cancel()
            await asyncio.wait((work, watch))
        if left and not visit.over:
            raise _HungUp
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error


def _is_unicode(body: bytes | bytearray) -> bool:
    """Whether every text in the JSON can be written as UTF-8; what is no JSON is told elsewhere."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return True
