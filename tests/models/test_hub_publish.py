"""A hub repository through the real client, against a loopback hub."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_upload_server import TOKEN, HubUploadServer, Repo
from pydantic import SecretStr

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError
from corpusmith.models.hub_publish import STAMP, HubAccess, HubRepo, repo_of

# huggingface_hub uploads LFS objects in a way that httpx is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubUploadServer]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    server = HubUploadServer()
    yield server
    server.close()


def repo(hub: HubUploadServer, kind: Any = "model", token: str = TOKEN) -> HubRepo:
    return HubRepo(HubAccess(endpoint=hub.url, token=SecretStr(token)), "me/news", kind)


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in {STAMP: json.dumps({"artifact": "a1"}), **files}.items():
        (path / name).write_text(text)
    return path


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_was_published_is_found_again_and_replaced_whole(hub: HubUploadServer, tmp_path: Path, kind: str) -> None:
    mine = repo(hub, kind)
    assert mine.state(tmp_path) is None
    mine.create(private=True)
    fresh = mine.state(tmp_path)
    assert fresh is not None
    assert (fresh.empty, fresh.private, fresh.stamp) == (True, True, None)
    one = folder(tmp_path / "one", **{"model.safetensors": "weights", "README.md": "# one", "gone.txt": "x"})
    mine.replace(one, "first", fresh.commit)
    there = mine.state(tmp_path / "scratch")
    assert there is not None
    assert (there.stamp, there.empty) == ({"artifact": "a1"}, False)
    assert set(there.files) == {".gitattributes", STAMP, "model.safetensors", "README.md", "gone.txt"}
    two = folder(tmp_path / "two", **{"model.safetensors": "others"})
    mine.replace(two, "second", there.commit)
    kept = hub.repos[f"{kind}s/me/news"]
    assert set(kept.files) == {".gitattributes", STAMP, "model.safetensors"}
    assert kept.files["model.safetensors"] == b"others"
    assert kept.messages == ["first", "second"]


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(hub: HubUploadServer, tmp_path: Path) -> None:
    mine = repo(hub)
    mine.create(private=True)
    state = mine.state(tmp_path)
    assert state is not None

    def meddle(there: Repo) -> None:
        there.commits.append("1" * 40)

    hub.before_commit = meddle
    with pytest.raises(PreconditionError, match="changed by somebody else"):
        mine.replace(folder(tmp_path / "one"), "mine", state.commit)
    assert hub.repos["models/me/news"].messages == []


def test_a_wrong_token_is_refused_in_words_that_do_not_hold_it(hub: HubUploadServer, tmp_path: Path) -> None:
    wrong = repo(hub, token="hf_secret_word")
    with pytest.raises(PreconditionError, match="HTTP 401") as said:
        wrong.state(tmp_path)
    assert "HF_TOKEN" in said.value.hint
    assert "hf_secret_word" not in repr(said.value) + said.value.hint + repr(wrong.__dict__.get("access"))
    with pytest.raises(PreconditionError, match="HTTP 401"):
        wrong.create(private=True)
    assert hub.repos == {}


def test_a_hub_that_refuses_or_is_away_is_named(hub: HubUploadServer, tmp_path: Path) -> None:
    hub.refuse = {"/api/models": 403}
    with pytest.raises(PreconditionError, match="HTTP 403"):
        repo(hub).state(tmp_path)
    hub.refuse = {"/api/models": 400}
    with pytest.raises(SourceError, match="HTTP 400"):
        repo(hub).state(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = HubRepo(HubAccess(endpoint=f"http://127.0.0.1:{port}", token=SecretStr(TOKEN)), "me/news", "model")
    with pytest.raises(SourceError, match="failed"):
        away.state(tmp_path)


def test_a_stamp_that_is_none_counts_for_nothing(hub: HubUploadServer, tmp_path: Path) -> None:
    mine = repo(hub)
    mine.create(private=False)
    hub.repos["models/me/news"].files |= {STAMP: b"[1", "a.txt": b"x"}
    state = mine.state(tmp_path)
    assert state is not None
    assert (state.stamp, state.empty, state.private) == (None, False, False)


@pytest.mark.parametrize("target", ["me/news", "hf://news", "hf://a/b/c", "hf://../x", "hf://a/..", "s3://a/b", ""])
def test_what_is_no_repository_is_refused(target: str) -> None:
    with pytest.raises(ParameterError, match="no repository"):
        repo_of(target)
    assert repo_of("hf://me/news-1.0") == "me/news-1.0"
