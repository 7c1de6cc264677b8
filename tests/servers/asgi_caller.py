"""Speaks ASGI to an application by hand, where a real server would hide what is looked at."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def call(app: Any, body: bytes, hang_up: asyncio.Event | None = None, path: str = "/v1/chat/completions") -> Any:
    """Speak ASGI to the application; what it sends. It is told that the client is gone when `hang_up` is set."""
    sent: list[Any] = []
    unread = [body]

    async def receive() -> Any:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await (hang_up or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def events(sent: list[Any]) -> list[Any]:
    """The JSON of server-sent events, without the `[DONE]`."""
    text = b"".join(one["body"] for one in sent[1:]).decode()
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]
