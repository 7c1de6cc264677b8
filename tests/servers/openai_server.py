"""A loopback OpenAI-compatible server that plays a script, one step per request, and records what it was asked."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Step:
    """What to answer one request with.

    `status` other than 200 answers an error object with `message` and `code`. `tool` are the arguments of a tool call
    (a str is sent as it is, so it can be broken JSON), `text` the content. `body` replaces the whole body. `hang_s`
    waits first; `cut` breaks the connection off in the middle of the body; `drip_s` waits after every byte.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    tool: dict[str, Any] | str | None = None
    text: str | None = None
    finish: str | None = None
    usage: dict[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
    )
    message: str = "ordered by the test"
    code: str | None = None
    body: bytes | None = None
    hang_s: float = 0.0
    cut: bool = False
    drip_s: float = 0.0

    def render(self) -> bytes:
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps(
                {"error": {"message": self.message, "type": "test", "param": None, "code": self.code}}
            ).encode()
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.tool is not None:
            arguments = self.tool if isinstance(self.tool, str) else json.dumps(self.tool)
            call = {"id": "call_1", "type": "function", "function": {"name": "answer", "arguments": arguments}}
            message["tool_calls"] = [call]
        finish = self.finish or ("tool_calls" if self.tool is not None else "stop")
        completion = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_323_045, "model": "scripted-1",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        }  # fmt: skip
        return json.dumps(completion | ({"usage": self.usage} if self.usage is not None else {})).encode()


class OpenAIServer:
    """`requests` holds the JSON bodies, `headers` the headers of each request.

    A request past the script is answered by `then`, given its body; without it, with 418.
    """

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.then: Callable[[dict[str, Any]], Step] = lambda _body: Step(status=418)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        outer = self

        class Handler(_Handler):
            server_script = outer

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server_script: OpenAIServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server_script
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.requests.append(json.loads(raw))
        server.headers.append({key.lower(): value for key, value in self.headers.items()})
        step = server.script.pop(0) if server.script else server.then(server.requests[-1])
        if self.path != "/v1/chat/completions":
            step = Step(status=404, message=f"no route {self.path}")
        if step.hang_s:
            server.released.wait(step.hang_s)
            self.close_connection = True
            return
        body = step.render()
        self.send_response(step.status)
        for key, value in {"Content-Type": "application/json", **step.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if step.cut:
            self.close_connection = True
            body = body[: len(body) // 2]
        if step.drip_s:
            self.close_connection = True
            self._drip(body, step.drip_s)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes, pause_s: float) -> None:
        for byte in body:
            try:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                return
            if self.server_script.released.wait(pause_s):
                return

    def log_message(self, *args: object) -> None:
        """Stay quiet."""
