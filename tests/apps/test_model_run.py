"""The whole way of a model, in one run of the command line: a sentence over damaged documents, a base that was
pre-trained here, instruction pairs, a LoRA, the judgement beside its rivals, the registry; then everything after it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpusmith.evals.planting import plant
from corpusmith.models.tiny import TinyRecipe, pretrain_tiny
from corpusmith.sources.bundled import base_documents

ASKED = (
    "Turn ./corpus into 150 deduplicated English instruction examples without personal data, fine-tune a LoRA on top "
    "of {base}, 2 epochs, promote it only if it beats the base model"
)
RECIPE = TinyRecipe(
    vocabulary=512, layers=2, width=64, inner=96, heads=4, key_heads=2, context=512, window=128, epochs=1,
    learning_rate=8e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`corpus/`, damaged on purpose, and `base/`, a small model of the texts that the corpus holds nothing of."""
    place = tmp_path_factory.mktemp("whole-way")
    plant(place, profile="demo", seed=4, rows=900)
    texts = ["\n\n".join(document.paragraphs) for document in base_documents()][:120]
    outcome = pretrain_tiny(texts, place / "work", RECIPE)
    Path(outcome.final).rename(place / "base")
    return place


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_the_sentence_to_the_registry_and_back(folder: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = call("run", ASKED.format(base="./base"), "--workspace", "ws", "--name", "guide", "--json")
    outcome = done.json
    assert done.status == 0, (outcome.get("not_achieved"), done.err)
    model, gates = outcome["model"], {gate["metric"]: gate for gate in outcome["gates"]}
    assert (model["ref"], model["promoted"], model["kind"]) == ("guide@1", True, "adapter")
    assert gates["gain_over_base_low"]["value"] > 0
    assert gates["split_leak_rate"]["value"] == 0
    assert {"fine-tuning", "grounded-pairs", "default-setting"} <= {d["chosen"] for d in outcome["decisions"]}
    report = Path(outcome["report"]).read_text(encoding="utf-8")
    assert "The model" in report
    assert "its base, prompted with examples" in report
    assert "bears loss" in report

    shown = call("model", "show", "guide@champion", "--workspace", "ws", "--json").json
    assert json.dumps(shown).count(model["digest"]) >= 1
    lineage = call("model", "lineage", "guide", "--workspace", "ws")
    assert lineage.status == 0
    merged = call("model", "export", "guide", "--to", "out", "--as", "merged", "--workspace", "ws")
    assert merged.status == 0, merged.err
    assert list((folder / "out").rglob("*.safetensors"))
    assert list((folder / "out").rglob("README.md"))

    again = call("replay", outcome["recipe"], "--workspace", "ws", "--json")
    assert again.status == 0, again.err
    assert again.json["same"]
    assert (again.json["model"]["ref"], again.json["model"]["promoted"]) == ("guide@1", True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("fine-tune a LoRA on top of ./nowhere on ./corpus", "no base model at"),
        ("fine-tune a QLoRA on top of ./base on ./corpus", "QLoRA needs a CUDA device"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_exists(
    folder: Path, call: Any, monkeypatch: pytest.MonkeyPatch, asked: str, word: str
) -> None:
    monkeypatch.chdir(folder)
    done = call("run", asked, "--workspace", "refused")
    assert done.status == 2
    assert word in done.err
    assert not (folder / "refused" / "runs").exists() or not list((folder / "refused" / "runs").iterdir())


def test_a_base_that_is_named_in_words_is_no_reason_to_train_another(call: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "A row."}\n')
    done = call("run", "fine-tune Llama 3.1 8B on ./a.jsonl")
    assert done.status == 2
    assert "no base model is known as Llama 3.1 8B" in done.err
    assert not (tmp_path / ".corpusmith" / "runs").exists()
