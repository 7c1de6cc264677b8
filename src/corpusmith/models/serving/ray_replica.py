"""One replica of an endpoint on Ray Serve: the server of `server.py` whose requests come from Serve's proxy.

Everything but the socket is the same: the fleet follows the registry, the gate the keys, the reporter the endpoint's
record, in which each replica has its own line. Serve lets a replica go when nothing is sent to it any more; it drains
then, as on SIGTERM. What is counted in memory (rates of keys, metrics, alerts) is counted by each replica for itself.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

from corpusmith.core.errors import CorpusmithError
from corpusmith.models.serving.front import App, Front, Message, Receive, Send
from corpusmith.models.serving.log_file import LogFile, open_log
from corpusmith.models.serving.server import ModelServer, ServeOptions, ServeParts
from corpusmith.models.serving.structured import log_to

Make = Callable[[], ServeParts]
"""Makes the parts in the replica's own process: opens the workspace there."""
REFUSED, HINT, END = "<refused>", "<hint>", "</refused>"
"""Around the two sentences of an error, in the text of one that Serve passes on."""
_ID = b"x-request-id"


class RayReplica:
    """What Serve makes of the endpoint, as often as it wants."""

    async def __init__(self, make: Make, options: ServeOptions, url: str) -> None:  # type: ignore[misc]  # Serve awaits it
        """Open the version that is wanted.

        Args:
            make: Makes the parts.
            options: How it serves.
            url: Of the proxy.

        Raises:
            RuntimeError: It cannot be served; the text says why (an error of Serve's carries nothing else).
        """
        try:
            parts = await asyncio.to_thread(make)
            parts, access = _logged(parts)
            self._server = ModelServer(url, parts, options, access)
            ready = asyncio.Event()
            self._life = asyncio.create_task(self._server.run(ready.set, signals=False))
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait((self._life, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._life.done():
                await self._life
        except CorpusmithError as error:
            raise RuntimeError(f"{REFUSED}{error.message}{HINT}{error.hint or ''}{END}") from None
        self._stopping = False

    def __serve_build_asgi_app__(self) -> App:
        """What Serve sends the requests to."""
        return _with_id_of_proxy(self._server.front)

    def check_health(self) -> None:
        """Called by Serve every few seconds; a replica that fails is replaced.

        Raises:
            RuntimeError: The server has ended by itself.
        """
        if self._life.done() and not self._stopping:
            raise RuntimeError("the server has ended")

    async def drain(self) -> None:
        """Turn new requests away, let those at work finish, close the models."""
        if not self._stopping:
            self._stopping = True
            self._server.stop()
        await asyncio.shield(self._life)

    async def end(self) -> None:
        """Close the models without waiting for the requests at work."""
        if not self._stopping:
            self._stopping = True
            self._server.stop()
        self._server.stop()
        await asyncio.shield(self._life)

    async def __del__(self) -> None:
        """Called by Serve when it lets the replica go."""
        if hasattr(self, "_stopping"):
            await self.drain()


def _logged(parts: ServeParts) -> tuple[ServeParts, LogFile]:
    """A log of the replica's own, since nobody sees its standard error; the endpoint's record says where."""
    path = parts.folder / "replicas" / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
    file = open_log(path, parts.folder, [replica.log for replica in parts.endpoints.living(parts.endpoint)])
    log_to(file)
    return replace(parts, log=str(path)), file


def _with_id_of_proxy(front: Front) -> App:
    """The proxy gives each request an id and tells it to the client; ours is to be the same one, told once."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope.get("headers", ()) if name == _ID), b"")
        if given:
            scope.setdefault("state", {})["request_id"] = given.decode("latin-1")[:128]

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start" and given:
                message["headers"] = [pair for pair in message.get("headers", ()) if pair[0] != _ID]
            await send(message)

        await front(scope, receive, reply)

    return app
