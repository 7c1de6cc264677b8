"""Digests: equal for what computes the same, different for what does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from corpusmith.core.errors import SourceError
from corpusmith.models.digests import model_digests, same_model, weight_files


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def edit(path: Path, **said: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))


def test_parts_of_a_model(tiny_folder: Path) -> None:
    found = model_digests(tiny_folder)
    assert list(found.parts) == ["config", "template", "tokenizer", "weights"]
    assert len({*found.parts.values(), found.digest}) == 5


def test_layout_does_not_matter(folder: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    before = model_digests(folder)
    sharded = folder.with_name("sharded")
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(sharded, max_shard_size="20KB")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(folder / name, sharded / name)
    assert len(weight_files(sharded)) > 1
    assert model_digests(sharded) == before
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", {"by": "someone else"})
    edit(folder / "config.json", transformers_version="9.9", _name_or_path="/elsewhere")
    edit(folder / "tokenizer_config.json", is_local=True)
    edit(folder / "tokenizer.json", padding={"strategy": "BatchLongest"})
    assert model_digests(folder) == before


@pytest.mark.parametrize("part", ["weights", "config", "tokenizer", "template"])
def test_every_part_counts(folder: Path, part: str) -> None:
    before = model_digests(folder)
    if part == "weights":
        raw = bytearray((folder / "model.safetensors").read_bytes())
        raw[-3] ^= 1
        (folder / "model.safetensors").write_bytes(raw)
    elif part == "config":
        edit(folder / "config.json", rms_norm_eps=1e-3)
    elif part == "tokenizer":
        edit(folder / "tokenizer_config.json", eos_token="<|user|>")
    else:
        (folder / "chat_template.jinja").write_text("{{ messages }}")
    after = model_digests(folder)
    assert {name for name in before.parts if before.parts[name] != after.parts[name]} == {part}
    assert after.digest != before.digest
    assert same_model(folder, after.digest)
    assert not same_model(folder, before.digest)


def test_adapter_without_the_base_name(tiny_folder: Path, tmp_path: Path) -> None:
    import peft
    from transformers import AutoModelForCausalLM

    config = peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), config).save_pretrained(tmp_path / "a")
    before = model_digests(tmp_path / "a")
    assert list(before.parts) == ["adapter", "weights"]
    edit(tmp_path / "a" / "adapter_config.json", base_model_name_or_path="other")
    assert model_digests(tmp_path / "a") == before
    edit(tmp_path / "a" / "adapter_config.json", lora_alpha=99)
    assert model_digests(tmp_path / "a").parts["adapter"] != before.parts["adapter"]


def test_refusals_name_the_file(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"no model folder at .*nowhere"):
        model_digests(folder / "nowhere")
    whole = (folder / "model.safetensors").read_bytes()
    for cut in (whole[:5], whole[: len(whole) - 1], b"\xff" * 64):
        (folder / "model.safetensors").write_bytes(cut)
        with pytest.raises(SourceError, match="not a whole safetensors file"):
            model_digests(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"lacks model\.safetensors"):
        model_digests(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(SourceError, match=r"pytorch_model\.bin is a pickle"):
        model_digests(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    with pytest.raises(SourceError, match=r"lacks secret\.safetensors"):
        model_digests(folder)
