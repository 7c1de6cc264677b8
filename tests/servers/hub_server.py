"""A loopback hub that gives model repositories: what a name points at, the tree of a commit, files.

It speaks what `huggingface_hub` speaks over plain HTTP (no Xet storage). `repos[name]` maps commits to files.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/(?P<name>.+?)(?:/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(r"/api/models/(?P<name>.+)/tree/(?P<revision>[^/]+)")
_FILE = re.compile(r"/(?P<name>.+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass
class Repo:
    """Files by commit; `branches` maps names to commits."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        name = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[name] = files
        self.branches[branch] = name
        return name


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder's files, to commit."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class HubServer:
    """`asked` holds `METHOD path` of every request; `fail` answers every request with that status."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.fail: int | None = None
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

    def fetched(self) -> set[str]:
        """Paths of the files that were read."""
        found = (_FILE.fullmatch(line.removeprefix("GET ")) for line in self.asked if line.startswith("GET "))
        return {match["path"] for match in found if match}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_given: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.fail is not None:
            return self._answer(self.hub.fail, b"{}")
        if match := _FILE.fullmatch(path):
            return self._file(match)
        if match := _TREE.fullmatch(path) or _INFO.fullmatch(path):
            return self._listing(match, "tree" in match.re.pattern)
        return self._answer(404, b"{}", **{"X-Error-Code": "RepoNotFound"})

    def _at(self, match: re.Match[str]) -> tuple[str, dict[str, bytes]] | None:
        """The commit and its files; answers the request when there are none."""
        repo = self.hub.repos.get(match["name"])
        if repo is None:
            self._answer(404, b'{"error":"Repository not found"}', **{"X-Error-Code": "RepoNotFound"})
        elif repo.gated:
            self._answer(403, b'{"error":"gated"}', **{"X-Error-Code": "GatedRepo"})
        else:
            revision = match["revision"] or "main"
            commit = repo.branches.get(revision, revision)
            if commit in repo.commits:
                return commit, repo.commits[commit]
            self._answer(404, b'{"error":"Invalid rev id"}', **{"X-Error-Code": "RevisionNotFound"})
        return None

    def _listing(self, match: re.Match[str], tree: bool) -> None:
        if (found := self._at(match)) is None:
            return
        commit, files = found
        said: Any = {"id": match["name"], "modelId": match["name"], "sha": commit, "tags": [], "downloads": 0}
        said |= {"siblings": [{"rfilename": path} for path in files], "private": False}
        if tree:
            said = [
                {"type": "file", "path": path, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for path, body in files.items()
            ]
        self._answer(200, json.dumps(said).encode())

    def _file(self, match: re.Match[str]) -> None:
        if (found := self._at(match)) is None:
            return None
        commit, files = found
        if match["path"] not in files:
            return self._answer(404, b"{}", **{"X-Error-Code": "EntryNotFound"})
        body = files[match["path"]]
        return self._answer(200, body, **{"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
