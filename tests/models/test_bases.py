"""Bases by name: a folder, a hub over HTTP with the real client, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer, Repo, files_of

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError
from corpusmith.models.bases import BasePoint, describe, glance, inspect, point_at
from corpusmith.models.digests import model_digests
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.loading import ModelPlace, checked_folders


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    server = HubServer()
    yield server
    server.close()


def edit(path: Path, **said: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))


def test_names(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert point_at("tiny") == BasePoint("tiny", "tiny", "")
    local = BasePoint("folder", str(folder.resolve()), model_digests(folder).digest)
    assert point_at(str(folder)) == local
    monkeypatch.chdir(tmp_path)
    assert point_at("model") == point_at("./model") == local
    with pytest.raises(ParameterError, match="tiny has no revisions"):
        point_at("tiny", "main")
    with pytest.raises(SourceError, match=r"no model folder at nowhere"):
        point_at("./nowhere")
    for odd in ("a/b/c", "a b", "../up", "", "https://hub/a/b"):
        with pytest.raises((ParameterError, SourceError)):
            point_at(odd)


def test_a_folder_described(folder: Path) -> None:
    manifest = describe(point_at(str(folder)), "mine")
    assert (manifest.kind, manifest.name, manifest.location) == ("reference", "mine", str(folder.resolve()))
    assert manifest.digest == model_digests(folder).digest
    assert manifest.chat_template
    assert manifest.context_length == 256
    from transformers import AutoModelForCausalLM

    assert manifest.parameters == AutoModelForCausalLM.from_pretrained(folder).num_parameters()


@pytest.mark.parametrize(
    ("break_it", "kind", "says"),
    [
        (lambda f: (f / "config.json").unlink(), SourceError, r"lacks config\.json"),
        (lambda f: (f / "config.json").write_text("{"), SourceError, r"config\.json is not valid JSON"),
        (lambda f: (f / "tokenizer.json").unlink(), SourceError, r"lacks tokenizer\.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), SourceError, "tokenizer of mine cannot be read"),
        (lambda f: edit(f / "tokenizer_config.json", eos_token=None), PreconditionError, "mine has no EOS token"),
        (
            lambda f: edit(f / "config.json", auto_map={"AutoModelForCausalLM": "m.M"}),
            PreconditionError,
            r"own code \(auto_map in config\.json\)",
        ),
        (
            lambda f: edit(f / "tokenizer_config.json", auto_map={"AutoTokenizer": ["t.T", None]}),
            PreconditionError,
            r"own code \(auto_map in tokenizer_config\.json\)",
        ),
        (
            lambda f: edit(f / "config.json", architectures=["LlamaForSequenceClassification"]),
            PreconditionError,
            r"no causal language model \(LlamaForSequenceClassification\)",
        ),
        (
            lambda f: edit(f / "config.json", model_type="t5", architectures=["T5ForConditionalGeneration"]),
            PreconditionError,
            "no causal language model",
        ),
        (lambda f: edit(f / "config.json", model_type="zork"), PreconditionError, "transformers does not know mine"),
        (lambda f: edit(f / "config.json", vocab_size=300), PreconditionError, "the model knows 300"),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            SourceError,
            r"lacks model\.safetensors .*pytorch_model\.bin is a pickle",
        ),
    ],
)
def test_refusals(folder: Path, break_it, kind: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    break_it(folder)
    with pytest.raises(kind, match=says):
        inspect(folder, "mine")


def test_an_adapter_is_no_base(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(SourceError, match="holds an adapter"):
        point_at(str(folder))


def test_a_hub_model(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(folder)
    more = {"pytorch_model.bin": b"\x80", "onnx/model.safetensors": b"x", "code.py": b"1/0", "README.md": b"#"}
    hub.repos["org/small"] = Repo()
    first = hub.repos["org/small"].commit({**files, **more})
    access = HubAccess(endpoint=hub.url)
    point = point_at("org/small", access=access)
    assert point == BasePoint("hub", "org/small", first)
    manifest = describe(point, "org/small", access)
    assert hub.fetched() == set(files)
    assert (manifest.location, manifest.revision) == ("org/small", first)
    assert manifest.digest == model_digests(folder).digest
    # a tag, a new commit on main, and the old commit by its name
    hub.repos["org/small"].branches["v1"] = first
    second = hub.repos["org/small"].commit({**files, "chat_template.jinja": b"{{ messages }}"})
    assert point_at("org/small", "v1", access).state == first
    assert point_at("org/small", access=access).state == second
    # what is in the cache needs no hub
    hub.close()
    place = ModelPlace("org/small", first, None, manifest)
    cached, _ = checked_folders(place, access)
    assert model_digests(cached).digest == manifest.digest
    assert point_at("org/small", first, access).state == first
    (cached / "config.json").resolve().write_text("{}")
    with pytest.raises(PreconditionError, match="are not those on record"):
        checked_folders(place, access)


def test_what_a_hub_cannot_give(hub: HubServer, folder: Path) -> None:
    access = HubAccess(endpoint=hub.url)
    with pytest.raises(SourceError, match=r"no model org/none on the hub  Check the name"):
        point_at("org/none", access=access)
    hub.repos["org/small"] = Repo()
    commit = hub.repos["org/small"].commit(files_of(folder))
    with pytest.raises(SourceError, match="org/small has no revision v9"):
        point_at("org/small", "v9", access)
    with pytest.raises(SourceError, match="has no revision 0000"):
        describe(BasePoint("hub", "org/small", "0" * 40), "org/small", access)
    hub.repos["org/small"].gated = True
    with pytest.raises(SourceError, match="org/small is gated"):
        point_at("org/small", access=access)
    hub.repos["org/small"].gated, hub.fail = False, 401
    with pytest.raises(SourceError, match="org/small"):
        point_at("org/small", access=access)
    hub.close()
    for state in (None, commit):
        with pytest.raises(SourceError, match=r"org/small is not whole on this machine.*HF_ENDPOINT"):
            describe(point_at("org/small", state, access), "org/small", access)


@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("/no/such/model", SourceError, "no base model at"),
        ("./neither/this", SourceError, "no base model at"),
        ("a b c", ParameterError, "names no base model"),
        ("owner/na--me", ParameterError, "names no base model"),
    ],
)
def test_a_glance_refuses_what_cannot_be_a_base(name: str, kind: type[Exception], word: str) -> None:
    with pytest.raises(kind, match=word):
        glance(name)


def test_a_glance_takes_tiny_and_a_folder_and_looks_at_its_tokenizer(folder: Path, tmp_path: Path) -> None:
    for name in ("tiny", str(folder)):
        glance(name)
    with pytest.raises(SourceError, match=r"lacks config\.json"):
        glance(str(tmp_path))
    endless = Path(shutil.copytree(folder, tmp_path / "endless"))
    config = json.loads((endless / "tokenizer_config.json").read_text())
    (endless / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    with pytest.raises(PreconditionError, match="no EOS token"):
        glance(str(endless))


def test_a_glance_asks_the_hub_and_downloads_nothing(hub: HubServer, folder: Path) -> None:
    hub.repos["org/small"] = Repo()
    hub.repos["org/small"].commit(files_of(folder))
    access = HubAccess(endpoint=hub.url)
    glance("org/small", access)
    assert not hub.fetched()
    with pytest.raises(SourceError, match="no model org/none on the hub"):
        glance("org/none", access)
