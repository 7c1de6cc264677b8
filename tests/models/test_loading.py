"""Opening models: whole, adapter on its base, and what must be refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models.digests import model_digests
from corpusmith.models.loading import ModelPlace, best_device, checked_folders, open_model, place_of

Make = Callable[..., Any]


class Artifact:
    """A model artifact as far as loading looks at it."""

    def __init__(self, folder: Path, manifest: ModelManifest) -> None:
        self.id, self.folder = manifest.name, folder
        (folder / "manifest.json").write_text(manifest.model_dump_json())

    def file(self, name: str) -> Path:
        if not (self.folder / name).exists():
            raise NotFoundError(f"artifact {self.id} has no file {name!r}")
        return self.folder / name


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(name: str, kind: str, model: Path | None = None, **said: Any) -> Any:
        (tmp_path / name).mkdir()
        if model is not None:
            shutil.copytree(model, tmp_path / name / "model")
            said = {"digest": model_digests(model).digest, **said}
        return Artifact(tmp_path / name, ModelManifest(name=name, kind=kind, **said))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def adapter(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA whose weights are not zero, with a tokenizer that has its own template."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), config)
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.chat_template = "{{ messages[0].content }}"
    tokenizer.save_pretrained(folder)
    said = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**said, "base_model_name_or_path": None}))
    return folder


def logits(model: Any, tokenizer: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(**tokenizer("Seven ships", return_tensors="pt")).logits


def test_full_and_reference_open_the_same(tiny_folder: Path, make: Make) -> None:
    import torch

    copy = make("copy", "full", tiny_folder)
    digest = model_digests(tiny_folder).digest
    named = make("named", "reference", location=str(tiny_folder), digest=digest)
    one, other = open_model(place_of(copy), device="cpu"), open_model(place_of(named), device="cpu")
    assert torch.equal(logits(*one), logits(*other))
    assert not one[0].training
    assert one[0].dtype == torch.float32
    assert open_model(place_of(copy), device="cpu", dtype="bfloat16")[0].dtype == torch.bfloat16


def test_adapter_on_its_base(tiny_folder: Path, adapter: Path, make: Make) -> None:
    import torch

    base = make("b", "full", tiny_folder)
    tuned = make("a", "adapter", adapter, base="b", base_digest=model_digests(tiny_folder).digest)
    place = place_of(tuned, base)
    assert (place.model, place.adapter) == (str(base.folder / "model"), str(tuned.folder / "model"))
    model, tokenizer = open_model(place, device="cpu")
    plain, _ = open_model(place_of(base), device="cpu")
    assert not torch.allclose(logits(model, tokenizer), logits(plain, tokenizer))
    assert tokenizer.chat_template == "{{ messages[0].content }}"


def test_adapter_wants_its_own_base(tiny_folder: Path, adapter: Path, make: Make) -> None:
    tuned = make("a", "adapter", adapter, base="b", base_digest="another")
    base = make("b", "full", tiny_folder)
    with pytest.raises(PreconditionError, match="needs its base model b"):
        place_of(tuned)
    with pytest.raises(PreconditionError, match="trained on another base"):
        place_of(tuned, base)
    with pytest.raises(PreconditionError, match="is itself adapter"):
        place_of(tuned, tuned)


def test_changed_files_are_refused(tiny_folder: Path, adapter: Path, make: Make) -> None:
    base = make("b", "full", tiny_folder)
    tuned = make("a", "adapter", adapter, base="b", base_digest=model_digests(tiny_folder).digest)
    place = place_of(tuned, base)
    assert checked_folders(place) == (base.folder / "model", tuned.folder / "model")
    config = tuned.folder / "model" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "lora_alpha": 77}))
    with pytest.raises(PreconditionError, match=r"files of a in .* are not those on record"):
        open_model(place, device="cpu")
    shutil.rmtree(base.folder / "model")
    with pytest.raises(PreconditionError, match="b is no longer at"):
        checked_folders(place)


def test_what_cannot_be_opened(make: Make, tmp_path: Path) -> None:
    hosted = make("h", "hosted", digest="ft:1", location="ft:1")
    with pytest.raises(PreconditionError, match="at its provider"):
        place_of(hosted)
    (tmp_path / "h" / "manifest.json").write_text("{}")
    with pytest.raises(PreconditionError, match="no valid manifest"):
        place_of(hosted)


def test_no_four_bit_or_device_that_is_not_here(tiny_folder: Path, make: Make) -> None:
    import torch

    place: ModelPlace = place_of(make("b", "full", tiny_folder))
    with pytest.raises(PreconditionError, match="4-bit weights need an NVIDIA GPU"):
        open_model(place, device="cpu", four_bit=True)
    if not torch.cuda.is_available():
        with pytest.raises(PreconditionError, match="device cuda is not here"):
            best_device("cuda")
