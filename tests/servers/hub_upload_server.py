"""A loopback hub that takes repositories: create, look, preupload, LFS objects, commits on top of a parent.

It speaks what `huggingface_hub` speaks over plain HTTP (no Xet storage), asks for a token, and keeps everything in
memory: `repos["models/owner/name"]`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_loopback"
_LFS = re.compile(r".*\.(safetensors|parquet|arrow)")


@dataclass
class Repo:
    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.safetensors filter=lfs\n"})
    commits: list[str] = field(default_factory=lambda: ["0" * 40])
    messages: list[str] = field(default_factory=list)


class HubUploadServer:
    """`refuse` maps a path's part to the status that answers it; `before_commit` is called with each repository."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuse: dict[str, int] = {}
        self.before_commit: Callable[[Repo], None] = lambda _repo: None
        outer = self

        class Handler(_Handler):
            hub = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def posts(self) -> list[str]:
        return [line for line in self.asked if not line.startswith(("GET", "HEAD"))]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubUploadServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_given: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        self.hub.asked.append(f"{self.command} {path}")
        for part, status in self.hub.refuse.items():
            if part in path:
                return self._send({"error": "ordered by the test"}, status)
        if not path.startswith("/lfs/") and self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._send({"error": "Invalid username or password."}, 401)
        return self._route(path, body)

    def _chunks(self) -> bytes:
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    def _route(self, path: str, body: bytes) -> None:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._send({"errors": [], "warnings": []})
        if path.startswith("/lfs/"):
            return self._object(path, body)
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body), bool(found[1]))
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(\w+)(?:/.*)?)?", path):
            repo = self.hub.repos.get(f"{found[1]}/{found[2]}")
            return self._missing() if repo is None else self._repo(repo, f"{found[1]}/{found[2]}", found[3], body)
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repo = self.hub.repos.get(f"{'datasets' if found[1] else 'models'}/{found[2]}")
            return self._missing() if repo is None or found[4] not in repo.files else self._file(repo, found[4])
        return self._send({"error": f"no route {path}"}, 418)

    def _create(self, asked: dict[str, Any]) -> None:
        key = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
        if key in self.hub.repos:
            return self._send({"error": "it exists", "url": key}, 409)
        private = asked.get("private")
        self.hub.repos[key] = Repo(asked.get("visibility") == "private" if private is None else bool(private))
        return self._send({"url": f"{self.hub.url}/{key.removeprefix('models/')}", "id": key})

    def _repo(self, repo: Repo, key: str, verb: str | None, body: bytes) -> None:
        if verb == "tree":
            return self._send(
                [{"type": "file", "path": n, "size": len(b), "oid": "0" * 40} for n, b in repo.files.items()]
            )
        if verb == "preupload":
            asked = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if _LFS.fullmatch(f["path"]) else "regular"} for f in asked
            ]
            return self._send({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        if verb == "commit":
            self.hub.before_commit(repo)
            return self._commit(repo, key, [json.loads(line) for line in body.splitlines() if line.strip()])
        siblings = [{"rfilename": name} for name in repo.files]
        name = key.split("/", 1)[1]
        return self._send({"id": name, "sha": repo.commits[-1], "private": repo.private, "siblings": siblings})

    def _commit(self, repo: Repo, key: str, lines: list[dict[str, Any]]) -> None:
        head = lines[0]["value"]
        if head.get("parentCommit") not in (None, repo.commits[-1]):
            return self._send({"error": "a commit has happened since"}, 412)
        for line in lines[1:]:
            said = line["value"]
            if line["key"] == "file":
                repo.files[said["path"]] = base64.b64decode(said["content"])
            elif line["key"] == "lfsFile":
                repo.files[said["path"]] = self.hub.objects[said["oid"]]
            elif line["key"] == "deletedFile":
                del repo.files[said["path"]]
        repo.messages.append(head["summary"])
        repo.commits.append(hashlib.sha1(repr(sorted(repo.files.items())).encode()).hexdigest())
        url = f"{self.hub.url}/{key.removeprefix('models/')}/commit/{repo.commits[-1]}"
        return self._send({"commitUrl": url, "commitOid": repo.commits[-1]})

    def _batch(self, asked: dict[str, Any], _dataset: bool) -> None:
        out = []
        for item in asked["objects"]:
            actions = {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"}}}
            out.append({**item, **({} if item["oid"] in self.hub.objects else actions)})
        return self._send({"transfer": "basic", "objects": out})

    def _object(self, path: str, body: bytes) -> None:
        oid = path.rsplit("/", 1)[-1]
        if hashlib.sha256(body).hexdigest() != oid:
            return self._send({"error": "damaged"}, 400)
        self.hub.objects[oid] = body
        return self._send({})

    def _file(self, repo: Repo, name: str) -> None:
        body = repo.files[name]
        etag = hashlib.sha1(body).hexdigest()
        self._send(body, 200, {"ETag": f'"{etag}"', "X-Repo-Commit": repo.commits[-1]})

    def _missing(self) -> None:
        self._send({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    def _send(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)
