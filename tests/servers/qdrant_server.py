"""A loopback server of the part of Qdrant's REST API that the program uses, strict as the real one is.

Bodies are read by the request models of qdrant-client, which are made from Qdrant's published description and take no
field more; answers have Qdrant's envelope. With QDRANT_OPENAPI naming that description (`docs/redoc/.../openapi.json`
of Qdrant's repository) every request and answer is checked against it too (`qdrant_spec`).
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import TypeAdapter, ValidationError
from qdrant_client.http import models
from qdrant_spec import Spec
from qdrant_state import QdrantState, RefusalError

_READ: dict[str, TypeAdapter[Any]] = {
    "create": TypeAdapter(models.CreateCollection),
    "index": TypeAdapter(models.CreateFieldIndex),
    "upsert": TypeAdapter(models.PointInsertOperations),
    "delete": TypeAdapter(models.PointsSelector),
    "scroll": TypeAdapter(models.ScrollRequest),
    "count": TypeAdapter(models.CountRequest),
    "query": TypeAdapter(models.QueryRequest),
    "aliases": TypeAdapter(models.ChangeAliasesOperation),
}
_ROUTES = (
    ("GET", r"/aliases", "list"),
    ("POST", r"/collections/aliases", "aliases"),
    ("GET", r"/collections/([^/]+)/exists", "exists"),
    ("GET", r"/collections/([^/]+)", "info"),
    ("PUT", r"/collections/([^/]+)", "create"),
    ("DELETE", r"/collections/([^/]+)", "drop"),
    ("PUT", r"/collections/([^/]+)/index", "index"),
    ("PUT", r"/collections/([^/]+)/points", "upsert"),
    ("POST", r"/collections/([^/]+)/points/delete", "delete"),
    ("POST", r"/collections/([^/]+)/points/scroll", "scroll"),
    ("POST", r"/collections/([^/]+)/points/count", "count"),
    ("POST", r"/collections/([^/]+)/points/query", "query"),
)
_WAITED = frozenset({"index", "upsert", "delete"})


class QdrantServer:
    """Args: state, which outlives it; the key that callers must give; a port, to come back at the same one.

    `asked` counts requests by what they want. `dies_at` maps such a name to the request at which the server dies: it
    hangs up without an answer, closes every connection and listens no more.
    """

    def __init__(self, state: QdrantState | None = None, key: str | None = None, port: int = 0) -> None:
        self.state, self.key = state or QdrantState(), key
        self.asked: Counter[str] = Counter()
        self.dies_at: dict[str, int] = {}
        self.spec = Spec.published()
        self._open: set[socket.socket] = set()
        self._server = _Listener(("127.0.0.1", port), _handler(self))
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As a kill: nobody gets an answer any more."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with suppress(OSError):  # it has gone already
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def again(self) -> QdrantServer:
        """The same server, started again at the same port with what it had kept."""
        return QdrantServer(self.state, self.key, self.port)

    def __enter__(self) -> QdrantServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.stop()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler(outer: QdrantServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, 65536

        def setup(self) -> None:
            super().setup()
            outer._open.add(self.connection)

        def finish(self) -> None:
            outer._open.discard(self.connection)
            with suppress(OSError):  # hung up on
                super().finish()

        def handle(self) -> None:
            with suppress(OSError):  # the client, or the test, hung up
                super().handle()

        def _answer(self) -> None:
            begun = time.monotonic()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name, groups, query = _route(self.command, self.path)
            outer.asked[name] += 1
            if outer.asked[name] == outer.dies_at.get(name):
                self.close_connection = True
                outer.stop()
                return
            self._respond(*_respond(outer, name, groups, query, body, self.headers.get("api-key"), begun))

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - as http.server calls them

        def _respond(self, status: int, kind: str, out: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _route(method: str, path: str) -> tuple[str, tuple[str, ...], dict[str, list[str]]]:
    parts = urlsplit(path)
    for of, pattern, name in _ROUTES:
        found = re.fullmatch(pattern, parts.path)
        if found and of == method:
            return name, tuple(unquote(group) for group in found.groups()), parse_qs(parts.query)
    return "nothing", (), {}


def _respond(
    outer: QdrantServer,
    name: str,
    groups: tuple[str, ...],
    query: dict[str, list[str]],
    body: bytes,
    key: str | None,
    begun: float,
) -> tuple[int, str, bytes]:
    if outer.key is not None and key != outer.key:
        said = "Invalid API key or JWT" if key else "Must provide an API key or an Authorization bearer token"
        return 401, "text/plain; charset=utf-8", said.encode()
    try:
        if name == "nothing":
            return 404, "text/plain", b""
        if name in _WAITED and query.get("wait") != ["true"]:
            raise RefusalError(501, "the test server does nothing without wait=true")
        result = _do(outer.state, name, groups, _read(name, body))
        outer.spec.request(name, body)
        status, answer = 200, {"result": result, "status": "ok"}
    except RefusalError as refusal:
        status, answer = refusal.status, {"status": {"error": refusal.said}}
    out = json.dumps({**answer, "time": time.monotonic() - begun}).encode()
    outer.spec.answer(name, status, out)
    return status, "application/json", out


def _read(name: str, body: bytes) -> Any:
    if name not in _READ:
        return None
    try:
        return _READ[name].validate_json(body)
    except ValidationError as error:
        raise RefusalError(400, f"Format error in JSON body: {error.errors()[0]['msg']}") from None


def _do(state: QdrantState, name: str, groups: tuple[str, ...], asked: Any) -> Any:
    if name == "upsert":
        if not isinstance(asked, models.PointsList):
            raise RefusalError(501, "the test server takes points as a list")
        return state.upsert(groups[0], asked.points)
    if name == "delete":
        if not isinstance(asked, models.PointIdsList):
            raise RefusalError(501, "the test server deletes by id")
        return state.delete(groups[0], asked.points)
    calls: dict[str, Callable[..., Any]] = {
        "list": state.list_aliases, "aliases": state.change_aliases, "exists": state.exists, "info": state.info,
        "create": state.create, "drop": state.drop, "index": state.index, "scroll": state.scroll,
        "count": state.count, "query": state.query,
    }  # fmt: skip
    return calls[name](*groups, *([] if asked is None else [asked]))
