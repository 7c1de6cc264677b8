"""A loopback server of OpenAI's embeddings API that plays a script: vectors, or a status."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = int | Sequence[Sequence[float]]


class EmbeddingsServer:
    """`requests` holds the bodies. An answer is a status, or vectors; vectors come last first, 7 tokens a request."""

    def __init__(self, *script: Answer) -> None:
        self.script, self.requests = list(script), list[dict[str, Any]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answer = outer.script.pop(0) if outer.script else 418
                status, body = (answer, _error()) if isinstance(answer, int) else (200, _vectors(answer))
                if self.path != "/v1/embeddings":
                    status, body = 404, _error()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> EmbeddingsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _vectors(rows: Sequence[Sequence[float]]) -> bytes:
    data = [{"object": "embedding", "index": n, "embedding": list(row)} for n, row in enumerate(rows)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return json.dumps({"object": "list", "model": "m", "data": data[::-1], "usage": usage}).encode()


def _error() -> bytes:
    return json.dumps({"error": {"message": "ordered by the test", "type": "test", "code": None}}).encode()
