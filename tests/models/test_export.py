"""Exports of tiny models: merged weights answer as base and adapter did, folders appear whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hand_made_models import make_real_model

from corpusmith.core.errors import CorpusmithError, ParameterError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models import export as exporting
from corpusmith.models.digests import model_digests
from corpusmith.models.export import Exported, export_model
from corpusmith.models.loading import ModelPlace, place_of

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

IDS = [[5, 17, 200, 31, 90, 3, 44]]


def manifest(folder: Path, kind: Any) -> ModelManifest:
    return ModelManifest(kind=kind, name="news", digest=model_digests(folder).digest)


def export(base: Path | str, adapter: Path | None, target: Path, wanted: Any = "merged") -> Exported:
    """Export an adapter of a base, or the base itself."""
    if adapter is None:
        return export_model(ModelPlace(str(base), None, None, manifest(Path(base), "full")), target, wanted, "# card")
    below = manifest(base, "full") if isinstance(base, Path) else ModelManifest(kind="reference", name="b", digest="x")
    revision = None if isinstance(base, Path) else "abc"
    place = ModelPlace(str(base), revision, str(adapter), manifest(adapter, "adapter"), below)
    return export_model(place, target, wanted, "# card")


def make_adapter(tiny: Path, folder: Path, config: Any) -> Path:
    """An adapter with weights that are not zero, its tokenizer beside it."""
    torch.manual_seed(1)
    model = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(tiny), config)
    for name, weight in model.named_parameters():
        if weight.requires_grad and "magnitude" not in name:
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


def lora(**more: Any) -> Any:
    return peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear", **more)


def logits(model: Any) -> Any:
    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS)).logits


@pytest.mark.parametrize("dora", [False, True])
def test_merged_logits_are_those_of_base_and_adapter(tiny_folder: Path, tmp_path: Path, dora: bool) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora(use_dora=dora))
    out = tmp_path / "out"
    done = export(tiny_folder, adapter, out)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    before = logits(plain)
    together = logits(peft.PeftModel.from_pretrained(plain, adapter))
    merged = logits(transformers.AutoModelForCausalLM.from_pretrained(out))
    torch.testing.assert_close(merged, together, atol=1e-5, rtol=1e-4)
    assert (merged - before).abs().max() > 0.1
    assert done.form == "merged"
    assert done.files == len(list(out.iterdir()))
    names = {path.name for path in out.iterdir()}
    assert names >= {"README.md", "model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"}
    assert not any(name.startswith("adapter") for name in names)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (adapter / name).read_bytes()


def test_an_adapter_alone_names_a_base_that_others_can_get(tiny_folder: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    export("org/base", adapter, tmp_path / "hub", "adapter")
    said = json.loads((tmp_path / "hub" / "adapter_config.json").read_text())
    assert (said["base_model_name_or_path"], said["revision"]) == ("org/base", "abc")
    export(tiny_folder, adapter, tmp_path / "local", "adapter")
    assert json.loads((tmp_path / "local" / "adapter_config.json").read_text())["base_model_name_or_path"] is None
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    assert logits(peft.PeftModel.from_pretrained(base, tmp_path / "local")).isfinite().all()


def test_a_learned_prompt_cannot_be_merged_and_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", config)
    with pytest.raises(PreconditionError, match="prompt tuning adapter, which cannot be merged") as said:
        export(tiny_folder, adapter, tmp_path / "out")
    assert "--as adapter" in said.value.hint
    assert not (tmp_path / "out").exists()
    assert export(tiny_folder, adapter, tmp_path / "out", "adapter").form == "adapter"


def test_whole_weights_are_copied_and_have_no_adapter(tiny_folder: Path, tmp_path: Path) -> None:
    done = export(tiny_folder, None, tmp_path / "out")
    assert done.form == "full"
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (tiny_folder / "model.safetensors").read_bytes()
    with pytest.raises(ParameterError, match="no adapter"):
        export(tiny_folder, None, tmp_path / "two", "adapter")
    with pytest.raises(ParameterError, match="exists already"):
        export(tiny_folder, None, tmp_path / "out")


@pytest.mark.parametrize("wanted", ["merged", "adapter"])
def test_files_that_are_not_those_on_record_are_not_exported(tiny_folder: Path, tmp_path: Path, wanted: str) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    base = manifest(tiny_folder, "full")
    place = ModelPlace(str(tiny_folder), None, str(adapter), manifest(adapter, "adapter"), base)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PreconditionError, match="not those on record"):
        export_model(place, tmp_path / "out", wanted, "")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_an_adapter_of_another_base_leaves_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "other")
    with pytest.raises(PreconditionError, match="does not fit"):
        export(tmp_path / "other", adapter, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "other"]


def test_a_merge_that_changes_the_answers_is_not_written(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(CorpusmithError, match="changed what the model answers"):
        export(tiny_folder, adapter, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_an_adapter_artifact_is_exported_with_its_base_artifact(tiny_folder: Path, tmp_path: Path, store: Any) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    base = store.open(make_real_model(store, tiny_folder, name="tiny"))
    model = store.open(make_real_model(store, adapter, base=base.id))
    place = place_of(model, base)
    done = export_model(place, tmp_path / "out", "merged", "# card")
    merged = transformers.AutoModelForCausalLM.from_pretrained(done.path)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    torch.testing.assert_close(
        logits(merged), logits(peft.PeftModel.from_pretrained(plain, adapter)), atol=1e-5, rtol=1e-4
    )
