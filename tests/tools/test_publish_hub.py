"""Datasets and models into repositories of a loopback hub, through the one door and its approval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hand_made_models import make_evaluation, make_real_model, tiny_weights
from hub_upload_server import TOKEN, HubUploadServer, Repo
from huggingface_hub import ModelCard
from pydantic import SecretStr

from corpusmith.core.errors import ApprovalRequired, NotFoundError, ParameterError, PreconditionError
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import GUARDED, Runner
from corpusmith.models.digests import model_digests
from corpusmith.models.hub_publish import STAMP, HubAccess
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace
from corpusmith.tools import format as formatting
from corpusmith.tools.publish_hub import TOOL

# huggingface_hub uploads LFS objects in a way that httpx is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TO = "hf://me/news"


@dataclass
class Bench:
    hub: HubUploadServer
    runner: Runner
    registry: ModelRegistry
    weights: Path

    def publish(self, role: str, artifact: str, to: str = TO, **params: Any) -> dict[str, Any]:
        return self.runner.run_step(TOOL, {"to": to, **params}, {role: artifact}).result

    def model(self, text: str = "one") -> str:
        return make_real_model(self.registry.artifacts, tiny_weights(self.weights / text, text))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub, workspace, engine = HubUploadServer(), Workspace.open(tmp_path / "ws"), LocalEngine(workers=1)
    registry = ModelRegistry(
        workspace.database, workspace.artifacts, lambda folder: model_digests(folder).digest, "tester"
    )
    services = {"registry": registry, "hub": HubAccess(endpoint=hub.url, token=SecretStr(TOKEN))}
    runner = Runner(workspace, engine, approve=lambda _action, _args: "grant", services=services)
    yield Bench(hub, runner, registry, tmp_path / "weights")
    engine.close()
    workspace.close()
    hub.close()


@pytest.fixture
def formatted(bench: Bench, make_dataset: Any, store: Any) -> str:
    assert store.root == bench.registry.artifacts.root
    raw = make_dataset([f"Row {n} tells of the harbour, the mill and the orchard of the town." for n in range(6)])
    return bench.runner.run_step(formatting.TOOL, {"files": "parquet", "license": "mit"}, {"data": raw.id}).id


def test_a_dataset_is_published_once_and_the_second_time_nothing_is_sent(bench: Bench, formatted: str) -> None:
    done = bench.publish("data", formatted)
    repo = bench.hub.repos["datasets/me/news"]
    assert (done["already_there"], done["private"], done["kind"]) == (False, True, "dataset")
    assert done["url"] == f"{bench.hub.url}/datasets/me/news"
    assert repo.private
    assert set(repo.files) >= {"README.md", "train.parquet", STAMP}
    assert pa.parquet.read_table(pa.BufferReader(repo.files["train.parquet"])).num_rows == 6
    assert done["commit"] == repo.commits[-1]
    sent = bench.hub.posts()
    again = bench.publish("data", formatted)
    assert (again["already_there"], again["commit"]) == (True, done["commit"])
    assert bench.hub.posts() == sent


def test_a_model_is_published_with_its_card_and_a_newer_one_replaces_it(bench: Bench) -> None:
    one, two = bench.model(), bench.model("two")
    version = bench.registry.register("news", one)
    bench.registry.promote(version, make_evaluation(bench.registry.artifacts, one), expected=None, why="first")
    bench.publish("model", one)
    repo = bench.hub.repos["models/me/news"]
    card = ModelCard(repo.files["README.md"].decode())
    assert card.data.eval_results is not None
    assert {r.metric_type for r in card.data.eval_results} >= {"accuracy"}
    assert "news@1" in card.content
    assert set(repo.files) >= {"model.safetensors", "config.json", "chat_template.jinja", STAMP}
    bench.publish("model", two)
    assert repo.files["model.safetensors"].endswith(b"two")
    assert len(repo.messages) == 2


def test_nothing_happens_without_an_approval(bench: Bench) -> None:
    assert GUARDED & TOOL.effects
    bench.runner.approve = lambda _action, _args: "ask"
    with pytest.raises(ApprovalRequired):
        bench.publish("model", bench.model())
    bench.runner.approve = lambda _action, _args: "deny"
    with pytest.raises(PreconditionError, match="denied"):
        bench.publish("model", bench.model("two"))
    assert bench.hub.asked == []


def test_what_others_put_there_is_not_overwritten(bench: Bench) -> None:
    bench.hub.repos["models/me/news"] = Repo(private=True, files={"theirs.txt": b"precious"})
    with pytest.raises(PreconditionError, match="not published from here"):
        bench.publish("model", bench.model())
    assert bench.hub.repos["models/me/news"].files == {"theirs.txt": b"precious"}


def test_a_public_repository_needs_the_word(bench: Bench) -> None:
    bench.hub.repos["models/me/news"] = Repo(private=False)
    with pytest.raises(PreconditionError, match="is public"):
        bench.publish("model", bench.model())
    assert bench.publish("model", bench.model("two"), private=False)["private"] is False


def test_an_upload_that_broke_off_is_taken_up_again(bench: Bench) -> None:
    bench.hub.refuse = {"/commit/": 400}
    one = bench.model()
    with pytest.raises(Exception, match="HTTP 400"):
        bench.publish("model", one)
    assert bench.hub.repos["models/me/news"].messages == []
    bench.hub.refuse = {}
    assert bench.publish("model", one)["already_there"] is False
    assert bench.publish("model", one)["already_there"] is True


def test_the_token_is_in_no_record(bench: Bench, tmp_path: Path) -> None:
    bench.publish("model", bench.model())
    for path in (tmp_path / "ws").rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes()


def test_what_cannot_be_published_is_refused_before_an_approval_is_asked(bench: Bench, make_dataset: Any) -> None:
    one, raw = bench.model(), make_dataset(["a row"])
    for role, artifact, more, error in (
        ("model", one, {"form": "adapter"}, ParameterError),
        ("model", one, {"to": "s3://bucket"}, ParameterError),
        ("data", raw.id, {}, NotFoundError),
        ("data", one, {}, NotFoundError),
    ):
        with pytest.raises(error):
            bench.publish(role, artifact, **more)
    with pytest.raises(ParameterError, match="a dataset or a model"):
        bench.runner.run_step(TOOL, {"to": TO}, {"data": raw.id, "model": one})
    with pytest.raises(ParameterError, match="a dataset or a model"):
        bench.runner.run_step(TOOL, {"to": TO}, {})
    assert bench.hub.asked == []
