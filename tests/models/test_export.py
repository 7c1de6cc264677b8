"""Exports of tiny models: merged weights answer as base and adapter did, folders appear whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import CorpusmithError, ParameterError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models import export as exporting
from corpusmith.models.export import Weights, export_model

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

IDS = [[5, 17, 200, 31, 90, 3, 44]]


def manifest(kind: Any = "adapter", **more: Any) -> ModelManifest:
    return ModelManifest(kind=kind, name="news", digest="d", **more)


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
    done = export_model(manifest(), Weights(str(adapter)), Weights(str(tiny_folder)), out, "merged", "# card")
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
    adapter = Weights(str(make_adapter(tiny_folder, tmp_path / "adapter", lora())))
    export_model(manifest(), adapter, Weights("org/base", "abc"), tmp_path / "hub", "adapter", "# card")
    said = json.loads((tmp_path / "hub" / "adapter_config.json").read_text())
    assert (said["base_model_name_or_path"], said["revision"]) == ("org/base", "abc")
    export_model(manifest(), adapter, Weights(str(tiny_folder)), tmp_path / "local", "adapter", "# card")
    assert json.loads((tmp_path / "local" / "adapter_config.json").read_text())["base_model_name_or_path"] is None
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    assert logits(peft.PeftModel.from_pretrained(base, tmp_path / "local")).isfinite().all()


def test_a_learned_prompt_cannot_be_merged_and_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    adapter = Weights(str(make_adapter(tiny_folder, tmp_path / "adapter", config)))
    with pytest.raises(PreconditionError, match="prompt tuning adapter, which cannot be merged") as said:
        export_model(manifest(), adapter, Weights(str(tiny_folder)), tmp_path / "out", "merged", "# card")
    assert "--as adapter" in said.value.hint
    assert not (tmp_path / "out").exists()
    assert export_model(manifest(), adapter, None, tmp_path / "out", "adapter", "# card").form == "adapter"


def test_whole_weights_are_copied_and_have_no_adapter(tiny_folder: Path, tmp_path: Path) -> None:
    own = Weights(str(tiny_folder))
    done = export_model(manifest("full"), own, None, tmp_path / "out", "merged", "# card")
    assert done.form == "full"
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (tiny_folder / "model.safetensors").read_bytes()
    with pytest.raises(ParameterError, match="no adapter"):
        export_model(manifest("full"), own, None, tmp_path / "two", "adapter", "# card")
    with pytest.raises(ParameterError, match="exists already"):
        export_model(manifest("full"), own, None, tmp_path / "out", "merged", "# card")


def test_a_hosted_model_and_an_adapter_without_its_base_have_no_whole_weights(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="provider"):
        export_model(manifest("hosted", location="ft:1"), Weights("ft:1"), None, tmp_path / "out", "merged", "")
    with pytest.raises(PreconditionError, match="base is not at hand"):
        export_model(manifest(), Weights(str(tmp_path)), None, tmp_path / "out", "merged", "")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_of_another_base_leaves_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "other")
    with pytest.raises(PreconditionError, match="does not fit"):
        export_model(
            manifest(), Weights(str(adapter)), Weights(str(tmp_path / "other")), tmp_path / "out", "merged", ""
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "other"]


def test_a_merge_that_changes_the_answers_is_not_written(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = make_adapter(tiny_folder, tmp_path / "adapter", lora())
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(CorpusmithError, match="changed what the model answers"):
        export_model(manifest(), Weights(str(adapter)), Weights(str(tiny_folder)), tmp_path / "out", "merged", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]
