"""`corpusmith serve|deploy|endpoint|key` as a person meets them: what is refused, and how."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hand_made_models import make_evaluation, make_model

from corpusmith.models.digests import model_digests
from corpusmith.models.serving import extra
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace


class Place:
    def __init__(self, root: Path) -> None:
        self.root, self.where = root, ("--workspace", str(root))
        self.workspace = Workspace.open(root)
        self.registry = ModelRegistry(
            self.workspace.database, self.workspace.artifacts, lambda folder: model_digests(folder).digest, "tester"
        )
        self.endpoints = Endpoints(self.workspace.database, "tester")

    def register(self, artifact: str, promote: bool = True) -> str:
        version = self.registry.register("news", artifact)
        champion = self.registry.aliases("news").champion
        against = None if champion is None else self.registry.resolve(f"news@{champion}").artifact
        evaluation = make_evaluation(self.workspace.artifacts, artifact, champion=against)
        if promote:
            assert self.registry.promote(version, evaluation, expected=champion, why="test").promoted
        return evaluation

    def hosted(self, name: str, promote: bool = True) -> str:
        """A version without files, which costs nothing to make."""
        artifact = make_model(self.workspace.artifacts, name, kind="hosted", location=f"ft:{name}", digest=name * 8)
        return self.register(artifact, promote)


@pytest.fixture
def place(tmp_path: Path) -> Any:
    made = Place(tmp_path / "ws")
    yield made
    made.workspace.close()


def test_a_key_is_made_listed_and_revoked(place: Place, call: Any) -> None:
    done = call("key", "create", "ana", "--requests-per-minute", "60", *place.where)
    key = done.out.strip()
    assert done.status == 0
    assert key.startswith("cs-")
    assert key not in done.err
    listed = call("key", "list", *place.where)
    assert "ana" in listed.out
    assert "60" in listed.out
    assert key.rpartition("-")[2] not in listed.out
    assert call("key", "create", "ana", *place.where).status == 2
    assert call("key", "revoke", "ana", *place.where).status == 0
    found = call("key", "list", *place.where, "--json").json["keys"]
    assert found[0]["revoked"]
    assert not {"salt", "digest", "key"} & set(found[0])
    assert call("key", "revoke", "bo", *place.where).status == 2


def test_what_cannot_be_served_is_said_with_what_to_type_next(place: Place, call: Any, tmp_path: Path) -> None:
    assert "no workspace at" in call("serve", "news", "--workspace", str(tmp_path / "none")).err
    assert not (tmp_path / "none").exists()
    for words, said in (
        (("nope",), "no model 'nope'"),
        (("news",), "the model news has no champion to serve"),
        (("news@1", "--host", "0.0.0.0"), "without API keys the server listens to this machine only"),
        (("news@1", "--engine", "vllm"), "vLLM is asked for, and vllm is not installed"),
        (("news@1", "--engine", "fast"), "--engine fast"),
        (("news@1", "--backend", "tgi"), "--backend tgi"),
        (("news@1", "--max-replicas", "2"), "--min-replicas and --max-replicas are for Ray"),
        (("news@1", "--backend", "ray", "--min-replicas", "3", "--max-replicas", "2"), "3 to 2 replicas are no range"),
        (("news@1", "--port", "70000"), "70000 is no port"),
        (("news@1", "--port", "0", "--name", "a/b"), "is no name"),
        (("news@1", "--port", "0", "--alert-scorer", "a:b"), "belong together"),
        (("news@1", "--port", "0", "--index", "nope"), "no dataset 'nope'"),
        (("news@1", "--port", "0"), "news@1 cannot be served"),
    ):
        if not place.registry.versions("news"):
            place.hosted("one", promote=False)
        done = call("serve", *words, *place.where)
        assert (done.status, said in done.err, "next:" in done.err) == (2, True, True), (words, done.err)


def test_a_port_in_use_is_said_before_anything_is_loaded(place: Place, call: Any) -> None:
    place.hosted("one")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for backend in ("uvicorn", "ray"):
            done = call("serve", "news", "--backend", backend, "--port", str(port), *place.where, "--json")
            assert done.status == 2
            assert done.json["error"]["message"] == f"port {port} of 127.0.0.1 is in use"
    assert place.endpoints.all() == []


def test_a_canary_needs_a_version_that_passes(place: Place, call: Any) -> None:
    place.hosted("one")
    evaluation = place.hosted("two", promote=False)
    place.endpoints.declare("news", "news")
    done = call("endpoint", "canary", "news", "2", *place.where)
    assert (done.status, "may not be served to callers" in done.err) == (2, True)
    assert call("endpoint", "canary", "news", "1", *place.where).status == 2
    assert call("endpoint", "canary", "news", "9", *place.where).status == 2
    done = call("endpoint", "canary", "news", "2", "--share", "0.2", "--evaluation", evaluation, *place.where)
    assert (done.status, "gets 20%" in done.out) == (0, True)
    assert "2 (20%)" in call("endpoint", "list", *place.where).out
    assert call("endpoint", "canary", "news", "2", "--share", "1.5", *place.where).status == 2
    assert call("endpoint", "canary", "news", "none", *place.where).status == 0
    shown = call("endpoint", "show", "news", *place.where)
    assert "canary ended" in shown.out
    assert call("endpoint", "show", "news", *place.where, "--json").json["state"] == "stopped"
    assert "nothing was running" in call("endpoint", "stop", "news", *place.where).out
    assert call("endpoint", "stop", "nope", *place.where).status == 2


def test_deploy_is_refused_asked_for_and_denied(place: Place, call: Any) -> None:
    place.hosted("one")
    place.hosted("two", promote=False)
    done = call("deploy", "news@2", *place.where)
    assert (done.status, "is not the champion" in done.err) == (2, True)
    done = call("deploy", "news", "--port", "0", *place.where, "--json")
    assert done.status == 4
    assert done.json["action"].startswith("tools/deploy-")
    done = call("deploy", "news", "--port", "0", "--approve", "deny", *place.where)
    assert (done.status, "denied" in done.err) == (2, True)
    assert place.endpoints.all() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backend", "tgi"), "--backend tgi"),
        (("--engine", "fast"), "--engine fast"),
        (("--engine", "vllm"), "vLLM is asked for, and vllm is not installed"),
        (("--max-replicas", "2"), "--min-replicas and --max-replicas are for Ray"),
        (("--backend", "ray", "--min-replicas", "0"), "0 to 4 replicas are no range"),
        (("--host", "0.0.0.0"), "without API keys the server listens to this machine only"),
        (("--port", "70000"), "port"),
        (("--index", "nope"), "no dataset 'nope'"),
    ],
)
def test_what_cannot_be_deployed_is_said_before_anybody_is_asked(
    place: Place, call: Any, words: tuple[str, ...], said: str
) -> None:
    place.hosted("one")
    done = call("deploy", "news", "--port", "0", *words, *place.where)
    assert (done.status, said in done.err, "next:" in done.err) == (2, True, True), done.err
    assert place.workspace.approvals.of("tools") == []


def test_a_backend_whose_package_is_missing_is_said_by_serve_and_deploy(
    place: Place, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.hosted("one")
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "ray" else find_spec(name))
    for command in ("serve", "deploy"):
        done = call(command, "news", "--port", "0", "--backend", "ray", *place.where)
        assert (done.status, "(ray missing)" in done.err) == (2, True), done.err


def test_deploying_to_a_port_in_use_is_said_before_anybody_is_asked(place: Place, call: Any) -> None:
    place.hosted("one")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("deploy", "news", "--port", str(port), *place.where)
    assert (done.status, f"port {port} of 127.0.0.1 is in use" in done.err) == (2, True), done.err
