"""A loopback Opik: the routes that the exporter uses, rows upserted whole by id as the real server's batch inserts do,
and faults to order. The store outlives `stop`, so a server can be away for a while."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class OpikStore:
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: dict[str, dict[str, Any]] = field(default_factory=dict)
    scores: dict[tuple[str, str, str], float] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    prompts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)


class OpikServer:
    """`faults` is a list played one per request: an int = answer that status; `drop` = apply, then close without an
    answer; `die` = go away before applying; `page` = a web page with status 200; None = answer normally.
    `headers` holds those of the last request."""

    def __init__(self) -> None:
        self.store = OpikStore()
        self.faults: list[int | str | None] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def start(self) -> None:
        outer = self

        class Handler(_Handler):
            opik = outer

        self._server = _QuietServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Apply a request to the store; the status and the JSON to answer."""
        store = self.store
        match method, path:
            case "POST", "v1/private/traces/batch":
                return self._upsert("traces", store.traces, body["traces"])
            case "POST", "v1/private/spans/batch":
                return self._upsert("spans", store.spans, body["spans"])
            case "PUT", "v1/private/traces/feedback-scores" | "v1/private/spans/feedback-scores":
                kind = path.split("/")[2]
                for score in body["scores"]:
                    store.scores[kind, score["id"], score["name"]] = score["value"]
                return 204, None
            case "POST", "v1/private/datasets/retrieve":
                found = store.datasets.get(body["dataset_name"])
                return (200, found) if found else (404, {"errors": ["not found"]})
            case "POST", "v1/private/datasets":
                if body["name"] in store.datasets:
                    return 409, {"errors": ["exists"]}
                store.datasets[body["name"]] = body
                store.writes["datasets"] += 1
                return 201, None
            case "PUT", "v1/private/datasets/items":
                assert body["dataset_name"] in store.datasets
                return self._upsert("items", store.items, body["items"])
            case "POST", "v1/private/experiments":
                if body["id"] in store.experiments:
                    return 409, {"errors": ["exists"]}
                return self._upsert("experiments", store.experiments, [body])
            case "POST", "v1/private/experiments/items":
                return self._upsert("links", store.links, body["experiment_items"])
            case "POST", "v1/private/prompts/versions/retrieve":
                prompt = store.prompts.get((body["name"], body["commit"]))
                return (200, prompt) if prompt else (404, {"errors": ["not found"]})
            case "POST", "v1/private/prompts/versions":
                key = body["name"], body["version"]["commit"]
                if key in store.prompts:
                    return 409, {"errors": ["exists"]}
                store.prompts[key] = body["version"]
                return 200, body["version"]
        return 404, {"errors": [f"no route {method} {path}"]}

    def _upsert(self, name: str, rows: dict[str, Any], records: list[dict[str, Any]]) -> tuple[int, None]:
        for record in records:
            assert record["id"][14] == "7", "Opik refuses ids that are not UUIDs of version 7"
            rows[record["id"]] = record
        self.store.writes[name] += len(records)
        return 204, None


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    opik: OpikServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        path = self.path.split("?")[0].removeprefix("/api/")
        self.opik.requests.append((self.command, path))
        self.opik.headers = {key.lower(): value for key, value in self.headers.items()}
        fault = self.opik.faults.pop(0) if self.opik.faults else None
        if isinstance(fault, int):
            return self._reply(fault, {"errors": ["ordered by the test"]})
        if fault == "die":
            self.close_connection = True
            return None
        if fault == "page":
            return self._reply(200, {}, "text/html; charset=utf-8")
        status, answer = self.opik.answer(self.command, path, json.loads(raw or b"{}"))
        if fault == "drop":
            self.close_connection = True
            return None
        return self._reply(status, answer)

    def _reply(self, status: int, answer: dict[str, Any] | None, kind: str = "application/json") -> None:
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - names that http.server looks for

    def log_message(self, *args: object) -> None:
        """Stay quiet."""
