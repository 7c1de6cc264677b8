"""The step `base`: tiny trained on the spot, others referred to, and what its identity follows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer, Repo, files_of

from corpusmith.core.errors import PreconditionError, SourceError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.digests import model_digests
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.loading import open_model, place_of
from corpusmith.models.tiny import TinyRecipe, write_untrained
from corpusmith.models.tiny_tokenizer import learn_tokenizer
from corpusmith.store.workspace import Workspace
from corpusmith.tools import base
from corpusmith.tools.base import TOOL, bundled_texts

SMALL = {
    "vocabulary": 300, "layers": 1, "width": 16, "inner": 16, "heads": 2, "key_heads": 1, "context": 64, "window": 32,
    "rows_per_step": 8, "epochs": 1,
}  # fmt: skip


def make_folder(folder: Path, seed: int = 0) -> Path:
    folder.mkdir()
    tokenizer = learn_tokenizer(["What is said here is said again, and what is here is here."] * 3, 280, 64)
    write_untrained(folder, tokenizer, TinyRecipe(**SMALL), seed)
    return folder


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    engine = LocalEngine(workers=1)
    yield Runner(Workspace.open(tmp_path / "ws"), engine)
    engine.close()


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts = [f"Module {n} reads the file, and then it closes the file of number {n}." for n in range(60)]
    monkeypatch.setattr(base, "bundled_texts", lambda: tuple(texts))
    return texts


def test_tiny_is_made_once_and_opens(runner: Runner, few_texts: list[str]) -> None:
    import torch

    torch.set_num_threads(1)
    step = runner.run_step(TOOL, {"tiny": SMALL}, {})
    assert not step.cached
    assert runner.run_step(TOOL, {"tiny": SMALL}, {}).cached
    artifact = runner.workspace.artifacts.open(step.id)
    manifest = ModelManifest.model_validate_json(artifact.file("manifest.json").read_bytes())
    assert (artifact.record.kind, manifest.kind, manifest.name) == ("model", "full", "tiny")
    assert manifest.digest == model_digests(artifact.file("model")).digest == step.result["digest"]
    assert json.loads(artifact.file("train.json").read_text())["final"] == "model"
    model, tokenizer = open_model(place_of(artifact), device="cpu")
    assert model.num_parameters() == manifest.parameters == step.result["parameters"]
    ids = tokenizer("Module 7", return_tensors="pt")
    assert torch.isfinite(model(**ids).logits).all()
    # another seed, another recipe or another text is another model
    others = [runner.run_step(TOOL, {"tiny": SMALL}, {}, seed=1)]
    others.append(runner.run_step(TOOL, {"tiny": SMALL | {"width": 8}}, {}))
    few_texts.append("And one more.")
    others.append(runner.run_step(TOOL, {"tiny": SMALL}, {}))
    assert len({step.id, *(other.id for other in others)}) == 4
    assert len({step.result["digest"], *(other.result["digest"] for other in others)}) == 4


def test_a_folder_is_referred_to(runner: Runner, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    step = runner.run_step(TOOL, {"name": str(folder)}, {})
    artifact = runner.workspace.artifacts.open(step.id)
    assert list(artifact.record.files) == ["manifest.json"]
    assert (step.result["kind"], step.result["location"]) == ("reference", str(folder))
    open_model(place_of(artifact), device="cpu")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(PreconditionError, match="are not those on record"):
        open_model(place_of(artifact), device="cpu")
    again = runner.run_step(TOOL, {"name": str(folder)}, {})
    assert not again.cached
    assert again.result["digest"] != step.result["digest"]
    assert runner.run_step(TOOL, {"name": str(folder)}, {}).cached


def test_a_hub_model_follows_its_commit(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    hub = HubServer()
    try:
        hub.repos["org/small"] = Repo()
        first = hub.repos["org/small"].commit(files_of(make_folder(tmp_path / "mine")))
        runner.services = {"hub": HubAccess(endpoint=hub.url)}
        step = runner.run_step(TOOL, {"name": "org/small"}, {})
        assert (step.result["location"], step.result["revision"]) == ("org/small", first)
        assert runner.run_step(TOOL, {"name": "org/small"}, {}).cached
        hub.repos["org/small"].commit(files_of(make_folder(tmp_path / "newer", seed=1)))
        assert runner.run_step(TOOL, {"name": "org/small"}, {}).result["digest"] != step.result["digest"]
        old = runner.run_step(TOOL, {"name": "org/small", "revision": first}, {})
        assert old.result["digest"] == step.result["digest"]
    finally:
        hub.close()


def test_nothing_is_left_of_a_base_that_cannot_be(runner: Runner, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    shutil.move(folder / "tokenizer.json", tmp_path)
    for name, says in ((str(folder), r"lacks tokenizer\.json"), (str(tmp_path / "none"), "no model folder at")):
        with pytest.raises(SourceError, match=says):
            runner.run_step(TOOL, {"name": name}, {})
    assert not list(runner.workspace.artifacts.root.iterdir())


@pytest.mark.slow
def test_the_bundled_texts_are_there() -> None:
    texts = bundled_texts()
    assert sum(map(len, texts)) > 1_000_000
    assert bundled_texts() is texts
