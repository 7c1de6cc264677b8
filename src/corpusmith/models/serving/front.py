"""In front of the routes: counts what is at work, says whether the server is ready, shows the metrics.

Plain ASGI. Until the first version answers, and from the moment that the server drains, everything but `/healthz` and
`/metrics` is told to come again, by a 503 that clients try again by themselves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from corpusmith.models.serving.contract import Refused
from corpusmith.models.serving.gate import KeyGate
from corpusmith.models.serving.metrics import CONTENT_TYPE, Metrics
from corpusmith.models.serving.shared_metrics import SharedMetrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Front:
    """The outermost application."""

    def __init__(self, gate: KeyGate) -> None:
        """Begin without routes: they come with the first version that answers (`open`).

        Args:
            gate: Who may read the metrics; also whether the server drains.
        """
        self._gate = gate
        self._app: App | None = None
        self._metrics: Metrics | None = None
        self._shared: SharedMetrics | None = None
        self.in_flight = 0

    def open(self, app: App, metrics: Metrics, shared: SharedMetrics | None = None) -> None:
        """Let requests in; `shared` are the figures of the replicas beside this one."""
        self._app, self._metrics, self._shared = app, metrics, shared

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/metrics" and self._metrics is not None:
            await self._show_metrics(scope, send)
        elif self._app is None or self._gate.draining:
            await self._come_again(path, send)
        else:
            self.in_flight += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self.in_flight -= 1

    async def _show_metrics(self, scope: MutableMapping[str, Any], send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._gate.identify(headers)
        except Refused as refused:
            await _answer(send, refused.status, _error(refused.message, refused.kind, refused.code))
            return
        assert self._metrics is not None
        body = self._metrics.render()
        if self._shared is not None:
            body = await asyncio.to_thread(self._shared.render, body)
        await _answer(send, 200, body, CONTENT_TYPE)

    async def _come_again(self, path: str, send: Send) -> None:
        draining = self._gate.draining
        if path == "/healthz":
            state = "draining" if draining else "starting"
            await _answer(send, 503, json.dumps({"live": True, "ready": False, "state": state}).encode())
            return
        message = "the server is shutting down" if draining else "the server is opening its model"
        code = "draining" if draining else "starting"
        await _answer(send, 503, _error(message, "server_error", code), more=[(b"retry-after", b"2")])


def _error(message: str, kind: str, code: str | None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


async def _answer(
    send: Send, status: int, body: bytes, kind: str = "application/json", more: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
