"""The whole way of a model, in one run of the command line: a sentence over damaged documents, a base that was
pre-trained here, instruction pairs, a LoRA, the judgement beside its rivals, the registry, an index, a live endpoint;
then everything after it. No tool is scripted; the tests share the one run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from corpusmith.apps import cli
from corpusmith.evals.planting import plant
from corpusmith.models.serving.launch import stop_endpoint
from corpusmith.models.tiny import TinyRecipe, pretrain_tiny
from corpusmith.sources.bundled import base_documents
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.processes import is_alive
from corpusmith.store.workspace import Workspace

ASKED = (
    "Turn ./corpus into 150 deduplicated English instruction examples without personal data, fine-tune a LoRA on top "
    "of ./base, 2 epochs, build an index of the documents, deploy it only if it beats the base model"
)
RECIPE = TinyRecipe(
    vocabulary=512, layers=2, width=64, inner=96, heads=4, key_heads=2, context=1024, window=128, epochs=1,
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


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Iterator[dict[str, Any]]:
    """What the one sentence came to; whatever still serves at the end is killed."""
    (folder / "policy.yaml").write_text("deploy: grant\n")
    words = ["run", ASKED, "--workspace", "ws", "--name", "guide", "--approve", "policy", "--policy", "policy.yaml"]
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in ("CORPUSMITH_HOME", "CORPUSMITH_MODEL", "OPIK_URL_OVERRIDE", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("CORPUSMITH_WORKERS", "1")
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["corpusmith", *words, "--json"])
        with suppress(SystemExit):
            cli.main()
    assert out.getvalue(), err.getvalue()[-2000:]
    yield json.loads(out.getvalue().splitlines()[-1])
    workspace = Workspace.open(folder / "ws")
    stop_endpoint(Endpoints(workspace.database, "test"), "guide", 0.0, kill=True)
    workspace.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_the_sentence_to_the_registry_and_back(
    folder: Path, outcome: dict[str, Any], call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert outcome["status"] == 0, outcome["not_achieved"]
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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_beats_its_base_goes_live_answers_from_the_corpus_and_is_stopped(
    folder: Path, outcome: dict[str, Any], call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    model = outcome["model"]
    assert (model["promoted"], model["deployed"], model["endpoint_name"]) == (True, True, "guide")
    assert {gate["metric"]: gate for gate in outcome["gates"]}["recall_at_10"]["value"] >= 0.3
    log = [json.loads(line) for line in Path(outcome["trace"]).read_text().splitlines()]
    assert [event["data"]["state"] for event in log if event["kind"] == "approval"] == ["granted"]
    assert "deploy" in {event["data"]["tool"] for event in log if event["kind"] == "step_finished"}
    assert f"guide@1 answers at {model['endpoint']}" in [event["data"].get("text") for event in log]
    assert model["endpoint"] in Path(outcome["report"]).read_text(encoding="utf-8")
    assert f"live at {model['endpoint']}" in call("show", "last", "--workspace", "ws").out

    workspace = Workspace.open(folder / "ws")
    rows = workspace.artifacts.open(workspace.artifacts.open(model["index"]).record.inputs["data"]).table()
    texts = dict(zip(rows["row_id"].to_pylist(), rows["text"].to_pylist(), strict=True))
    replicas = Endpoints(workspace.database, "test").living("guide")
    assert [replica.version for replica in replicas] == ["guide@1"]
    with OpenAI(base_url=model["endpoint"], api_key="none", max_retries=0, timeout=60) as client:
        answer = client.chat.completions.create(
            model="guide+rag", max_tokens=16, messages=[{"role": "user", "content": "How are arguments parsed?"}]
        )
    assert answer.usage is not None
    assert 1 <= answer.usage.completion_tokens <= 16
    cited = (answer.choices[0].message.model_extra or {})["citations"]
    assert cited
    for one in cited:
        assert " ".join(one["text"].split()) in " ".join(texts[one["row_id"]].split())

    again = call("deploy", "guide", "--index", model["index"], "--workspace", "ws", "--json")
    assert (again.status, again.json["already"]) == (0, True)
    stopped = call("endpoint", "stop", "guide", "--workspace", "ws", "--json")
    assert (stopped.status, stopped.json["left"]) == (0, [])
    assert not is_alive(replicas[0].pid, replicas[0].began)
    assert call("endpoint", "show", "guide", "--workspace", "ws", "--json").json["state"] == "stopped"
    workspace.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_makes_the_same_again(
    folder: Path, outcome: dict[str, Any], call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
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
