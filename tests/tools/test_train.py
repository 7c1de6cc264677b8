"""The step `train`: from rows to a model artifact, and every way in which it may not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from safetensors.numpy import load_file

import corpusmith
from corpusmith.core.errors import (
    ApprovalRequired,
    BudgetExceeded,
    Cancelled,
    CorpusmithError,
    NotFoundError,
    ParameterError,
    PreconditionError,
    WorkspaceError,
)
from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner, StepOutcome
from corpusmith.models.digests import model_digests
from corpusmith.models.loading import open_model, place_of
from corpusmith.models.tiny import TinyRecipe, write_untrained
from corpusmith.models.tiny_tokenizer import learn_tokenizer
from corpusmith.models.training import place as places
from corpusmith.models.training.place import Place
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.model_evidence import refuse_broken_training
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.workspace import Workspace
from corpusmith.store.writer import StagedWriter, side_files
from corpusmith.tools.registry import TOOLS
from corpusmith.tools.train import TOOL

SMALL = TinyRecipe(vocabulary=320, layers=2, width=32, inner=64, heads=4, key_heads=2, context=128, window=64)
THINGS = ("river", "baker", "ship", "storm", "market", "harbour", "hill", "bread", "cake")
WORDS = [f"The {a} is near the {b}, and the {b} is near the {a}." for a in THINGS for b in THINGS]
BRIEFLY = {"max_steps": 2}
"""A schedule for what is said of a training, whatever it learns."""
SHORT = {"max_steps": 12}
"""A schedule for trainings that are broken off."""
Ask = Callable[..., StepOutcome]


def instructions(count: int = 40) -> list[dict[str, str]]:
    return [
        {"instruction": f"Where is the {THINGS[n % 9]}?", "input": "", "output": f"Near the {THINGS[(n + 1) % 9]}."}
        for n in range(count)
    ]


def with_splits(table: pa.Table, every: int = 5) -> pa.Table:
    names = ["validation" if every and n % every == 0 else "train" for n in range(table.num_rows)]
    return table.append_column("split", pa.array(names, pa.large_string()))


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("base")
    write_untrained(folder, learn_tokenizer(WORDS, SMALL.vocabulary, SMALL.context), SMALL, 0)
    return folder


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    engine = LocalEngine(workers=1)
    workspace = Workspace.open(tmp_path / "ws")
    yield Runner(workspace, engine, services={"place": Place(backend="process")})
    engine.close()
    workspace.close()


@pytest.fixture
def put(make_dataset: Any) -> Callable[..., StoredDataset]:
    """`put(rows, shape, every=5)`: a dataset with splits; every fifth row is for validation, 0 = none."""

    def make(rows: Any, shape: Shape = Shape.INSTRUCTION, every: int = 5, uri: str = "in.jsonl") -> StoredDataset:
        return make_dataset(with_splits(make_dataset(rows, shape, uri).table(), every))

    return make


@pytest.fixture
def rows(put: Any) -> StoredDataset:
    """Forty instructions, eight of them for validation."""
    return put(instructions())


@pytest.fixture
def base(runner: Runner, base_folder: Path) -> str:
    return runner.run_step(TOOLS["base"], {"name": str(base_folder)}, {}).id


@pytest.fixture
def ask(runner: Runner, rows: StoredDataset, base: str) -> Ask:
    """`ask(data, params..., roles={...})`: run the step."""

    def run(
        data: StoredDataset | None = None, roles: dict[str, str] | None = None, seed: int = 0, **params: Any
    ) -> Any:
        schedule = {"epochs": 2.0} | params.pop("schedule", {})
        inputs = {"data": (data or rows).id, "base": base} | (roles or {})
        return runner.run_step(TOOL, {"schedule": schedule, **params}, inputs, seed=seed)

    return run


def manifest_in(step: StepOutcome) -> ModelManifest:
    return ModelManifest.model_validate_json(step.artifact.file("manifest.json").read_bytes())


def weights(step: StepOutcome) -> dict[str, Any]:
    (file,) = step.artifact.file("model").glob("*.safetensors")
    return load_file(file)


def test_a_lora_learns_answers_and_tells_everything(ask: Ask, runner: Runner, base: str) -> None:
    said: list[str] = []
    runner.emit = said.append
    step = ask(name="where", schedule={"epochs": 1})
    result, artifact, manifest = step.result, step.artifact, manifest_in(step)
    curve = [point["holdout_loss"] for point in read(step, "train.json")["curve"] if point["holdout_loss"]]
    assert result["holdout_loss"] == curve[-1] < curve[0] - 0.05
    assert (result["method"], result["adapter"], result["kind"], result["nan"]) == ("sft", "lora", "adapter", False)
    assert (result["examples"], result["holdout_examples"], result["dropped"]) == (32, 8, {})
    assert (artifact.record.kind, manifest.kind, manifest.name) == ("model", "adapter", "where")
    assert manifest.digest == result["digest"] == model_digests(artifact.file("model")).digest
    assert manifest.base == result["base"] == base
    assert (
        result["data_digest"] == runner.workspace.artifacts.open(artifact.record.inputs["data"]).record.content_digest
    )
    preflight, lengths = read(step, "preflight.json"), read(step, "lengths.json")
    assert any("⟦Near the" in example for example in preflight["examples"])
    assert lengths["chosen"] == result["sequence_length"]
    told = "\n".join(said)
    assert "<- recommended" in told
    assert "⟦Near the" in told
    tops = {name.split("/")[0] for name in artifact.record.files}
    assert tops == {"manifest.json", "preflight.json", "lengths.json", "train.json", "model"}
    model, _ = open_model(place_of(artifact, runner.workspace.artifacts.open(base)), device="cpu")
    assert (
        sum(p.numel() for n, p in model.named_parameters() if "lora_" in n) == manifest.trainable == result["trainable"]
    )
    assert ask(name="where", schedule={"epochs": 1}).cached


def read(step: StepOutcome, name: str) -> dict[str, Any]:
    return dict(json.loads(step.artifact.file(name).read_text("utf-8")))


@pytest.mark.slow
def test_preferences_are_learned_on_top_of_an_adapter(ask: Ask, put: Any) -> None:
    first = ask(schedule=SHORT)
    pairs = [
        {"prompt": f"Where is the {THINGS[n % 9]}?", "chosen": "Near the hill.", "rejected": "Far away."}
        for n in range(20)
    ]
    step = ask(put(pairs, Shape.PREFERENCE), roles={"start": first.id}, schedule={"learning_rate": 5e-3, "epochs": 4})
    assert (step.result["method"], step.result["packed"], step.result["examples"]) == ("dpo", False, 16)
    assert step.result["holdout_loss"] < 0.69  # below log 2: chosen and rejected are told apart
    assert manifest_in(step).base == manifest_in(first).base
    before, after = weights(first), weights(step)
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)


@pytest.mark.parametrize("shape", [Shape.TEXT, Shape.INSTRUCTION])
def test_documents_are_pretrained_whole(ask: Ask, put: Any, runner: Runner, shape: Shape) -> None:
    data = put(WORDS[:40] if shape is Shape.TEXT else instructions(), shape)
    step = ask(data, method="auto" if shape is Shape.TEXT else "pretrain", adapter={"kind": "none"}, schedule=BRIEFLY)
    manifest = manifest_in(step)
    assert (step.result["method"], manifest.kind) == ("pretrain", "full")
    assert manifest.trainable == manifest.parameters == step.result["parameters"]
    assert step.result["loss_tokens"] > 0.9 * step.result["tokens"]
    open_model(place_of(step.artifact), device="cpu")


def test_the_analysis_or_the_person_chooses_the_length(ask: Ask, put: Any) -> None:
    rows = [{"instruction": "Say it " + "again " * 60, "input": "", "output": f"It is {n}."} for n in range(12)]
    by_analysis, short = ask(put(rows), schedule=BRIEFLY), ask(put(rows), schedule=BRIEFLY, sequence_length=32)
    assert by_analysis.result["sequence_length"] == 128  # the model's context; the examples are longer
    assert short.result["sequence_length"] == 32
    assert short.result["truncated_prompts"] == by_analysis.result["truncated_prompts"] == 9
    assert by_analysis.result["truncated_responses"] == short.result["truncated_responses"] == 0


def test_replayed_rows_are_drawn_and_the_others_told(ask: Ask, put: Any, runner: Runner) -> None:
    general = put(WORDS[:30], Shape.TEXT, every=0, uri="general.jsonl")
    step = ask(roles={"replay": general.id}, replay_rows=10, schedule=BRIEFLY)
    assert (step.result["replayed"], step.result["examples"]) == (10, 42)
    assert step.result["dropped"] == step.artifact.record.counts.dropped == {"not_replayed": 20}
    gone = step.artifact.ledger().column("row_id").to_pylist()
    assert len(set(gone)) == 20
    assert all(row.startswith("general.jsonl#") for row in gone)


def test_rows_without_an_answer_are_left_out_by_rule(ask: Ask, put: Any) -> None:
    rows = instructions(20)
    rows[1]["output"] = rows[2]["output"] = " "
    step = ask(put(rows), schedule=BRIEFLY)
    assert step.result["dropped"] == {"empty_response": 2}
    assert step.artifact.ledger().column("row_id").to_pylist() == ["in.jsonl#1", "in.jsonl#2"]


def test_a_loss_that_is_no_number_is_kept_for_the_record_only(ask: Ask) -> None:
    step = ask(adapter={"kind": "none"}, schedule=SHORT | {"learning_rate": 1e30})
    assert step.result["nan"] is True
    assert step.result["loss"] is None
    with pytest.raises(PreconditionError, match="no number"):
        refuse_broken_training(step.artifact)


def test_a_template_of_ours_goes_with_the_model(ask: Ask, base_folder: Path, tmp_path: Path, runner: Runner) -> None:
    bare = Path(shutil.copytree(base_folder, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    base = runner.run_step(TOOLS["base"], {"name": str(bare)}, {})
    assert base.result["chat_template"] is False
    step = ask(roles={"base": base.id}, schedule=BRIEFLY)
    assert manifest_in(step).chat_template is True
    assert "<|assistant|>" in step.artifact.file("model/chat_template.jinja").read_text()


# ---- what cannot be trained


def refused(runner: Runner, ask: Ask, kind: type[CorpusmithError], says: str, **said: Any) -> None:
    with pytest.raises(kind, match=says) as caught:
        ask(**said)
    assert caught.value.hint
    store = runner.workspace.artifacts
    assert not [name for name in store.ids() if store.open(name).record.tool == "train"]


def test_wrong_data_is_refused(ask: Ask, put: Any, make_dataset: Any, runner: Runner) -> None:
    texts = put(WORDS[:10], Shape.TEXT)
    refused(runner, ask, ParameterError, "sft needs instruction rows", data=texts, method="sft")
    refused(runner, ask, ParameterError, "dpo needs preference rows", method="dpo")
    bare = make_dataset(instructions(), Shape.INSTRUCTION)
    refused(runner, ask, PreconditionError, "has no splits", data=bare)
    refused(runner, ask, PreconditionError, "only one row in split 'train'", data=put(instructions(2), every=2))
    refused(runner, ask, PreconditionError, "no row in split 'holdout'", split="holdout")
    refused(runner, ask, ParameterError, "held out", split="validation")
    mute = [row | {"output": " "} for row in instructions()]
    refused(runner, ask, PreconditionError, r"no example is left of 32 rows \(empty_response 32\)", data=put(mute))
    refused(runner, ask, ParameterError, "no system turn", data=texts, system="Be kind.")
    refused(runner, ask, ParameterError, "one example a row", packing=True, adapter={"kind": "prompt"})
    refused(runner, ask, ParameterError, "replay needs both", replay_rows=3)
    pairs = put([{"prompt": "p", "chosen": "c", "rejected": "r"}] * 5, Shape.PREFERENCE)
    refused(runner, ask, ParameterError, "cannot replay", replay_rows=3, roles={"replay": pairs.id})
    refused(runner, ask, ParameterError, "rank", adapter={"rank": 0})


def test_wrong_bases_are_refused(ask: Ask, put: Any, runner: Runner, base: str, tmp_path: Path) -> None:
    refused(runner, ask, NotFoundError, "no artifact", roles={"base": "0" * 32})
    refused(runner, ask, PreconditionError, "is no model", roles={"base": put(instructions(7)).id})
    refused(runner, ask, PreconditionError, "is no adapter", roles={"start": base})
    gone = tmp_path / "gone"
    shutil.copytree(Path(runner.workspace.artifacts.open(base).record.result["location"]), gone)
    moved = runner.run_step(TOOLS["base"], {"name": str(gone)}, {})
    shutil.rmtree(gone)
    refused(runner, ask, PreconditionError, "no longer at", roles={"base": moved.id})


def test_an_adapter_is_no_base(ask: Ask, runner: Runner, put: Any) -> None:
    adapter = ask(schedule=BRIEFLY)
    with pytest.raises(PreconditionError, match="is an adapter"):
        ask(roles={"base": adapter.id})
    with pytest.raises(ParameterError, match="cannot go on from a LORA adapter"):
        ask(roles={"start": adapter.id}, adapter={"kind": "none"})


def test_wrong_machines_are_refused(ask: Ask, runner: Runner) -> None:
    refused(runner, ask, PreconditionError, "QLoRA needs", adapter={"kind": "qlora"})
    refused(runner, ask, PreconditionError, "bfloat16 needs", dtype="bfloat16")
    runner.services = {"place": Place(fsdp=True)}
    refused(runner, ask, PreconditionError, "sharded over several workers")


def hand_made(runner: Runner, folder: Path, name: str) -> str:
    """A model artifact that no step `base` has checked."""
    artifacts, made = runner.workspace.artifacts, fingerprint({"made": name})
    found = model_digests(folder)
    manifest = ModelManifest(kind="reference", name=name, digest=found.digest, parts=found.parts, location=str(folder))
    with artifacts.stage(made, lambda: None) as staging:
        StagedWriter(staging).path("manifest.json").write_text(manifest.model_dump_json())
        record = ArtifactRecord(
            id=made, kind="model", tool="test", tool_version=1, params={}, inputs={}, seed=0, files=side_files(staging)
        )
        return artifacts.commit(record, staging).id


def test_wrong_tokenizers_are_refused(ask: Ask, runner: Runner, base_folder: Path, tmp_path: Path) -> None:
    endless = Path(shutil.copytree(base_folder, tmp_path / "endless"))
    config = json.loads((endless / "tokenizer_config.json").read_text())
    (endless / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    refused(runner, ask, PreconditionError, "no EOS token", roles={"base": hand_made(runner, endless, "endless")})
    deaf = Path(shutil.copytree(base_folder, tmp_path / "deaf"))
    (deaf / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role != 'system' %}<|start|>{{ m.role }}\n{{ m.content }}{{ eos_token }}\n"
        "{% endif %}{% endfor %}"
    )
    base = runner.run_step(TOOLS["base"], {"name": str(deaf)}, {})
    refused(runner, ask, PreconditionError, "loses the system turn", roles={"base": base.id}, system="Be kind.")


# ---- money


def test_money_is_asked_for_only_where_a_device_costs_it(
    ask: Ask, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.services = {"place": Place(usd_per_gpu_hour=2.0)}
    assert "spend_money" not in ask(schedule=BRIEFLY).artifact.record.effects  # no GPU here
    monkeypatch.setattr(Place, "costs_money", lambda _self: True)
    with pytest.raises(ApprovalRequired):
        ask(seed=1)
    assert places.Place(usd_per_gpu_hour=2.0).costs_money()


def test_more_than_was_allowed_is_not_spent(ask: Ask, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "costs_money", lambda _self: True)
    runner.approve = lambda _action, _args: "grant"
    runner.services = {"place": Place(usd_per_gpu_hour=1e7)}
    refused(runner, ask, PreconditionError, "it would cost about", max_cost_usd=0.01)
    runner.workspace.runs.create("r-1", "train", {})
    runner.run_id = "r-1"
    runner.budget = BudgetAccount(runner.workspace.database, "r-1", {"cost_usd": 0.01})
    refused(runner, ask, BudgetExceeded, "budget of 0.01 cost_usd")
    runner.budget = BudgetAccount(runner.workspace.database, "r-1", {"cost_usd": 1e9})
    assert ask(schedule=BRIEFLY).result["usd"] > 0.01
    assert runner.budget.spent("cost_usd") > 0.01


# ---- interrupted trainings


class StopAfter:
    """Stops at the n-th look after the training began."""

    def __init__(self, looks: int, error: Exception) -> None:
        self.left, self.error = looks, error

    def check(self) -> None:
        if self.left == 0:
            raise self.error
        self.left -= 1


@pytest.mark.parametrize("error", [Cancelled("stopped"), pytest.param(BudgetExceeded("spent"), marks=pytest.mark.slow)])
def test_stopped_and_gone_on_is_bitwise_undisturbed(
    ask: Ask, runner: Runner, tmp_path: Path, rows: StoredDataset, base: str, error: CorpusmithError
) -> None:
    calm = runner.cancel
    runner.cancel = StopAfter(8, error)
    with pytest.raises(type(error)):
        ask(schedule=SHORT)
    (staged,) = (path for path in runner.workspace.artifacts.staging.iterdir() if path.is_dir())
    (checkpoint,) = list((staged / "files" / "training" / "output").glob("checkpoint-*"))[-1:]
    assert checkpoint.is_dir()
    runner.cancel = calm
    step = ask(schedule=SHORT)
    assert 0 < step.result["resumed_from"] < step.result["steps"]
    assert not any(name.startswith("training") for name in step.artifact.record.files)
    undisturbed = elsewhere(runner, tmp_path, rows, base)
    assert weights(step).keys() == weights(undisturbed).keys()
    assert all((value == weights(undisturbed)[name]).all() for name, value in weights(step).items())
    same = ("digest", "steps", "loss", "holdout_loss", "tokens", "loss_tokens")
    assert [step.result[key] for key in same] == [undisturbed.result[key] for key in same]


def elsewhere(runner: Runner, tmp_path: Path, data: StoredDataset, base: str) -> StepOutcome:
    """The same step, undisturbed, in another workspace."""
    other = Workspace.open(tmp_path / "other")
    for name in (data.id, base):
        shutil.copytree(runner.workspace.artifacts.root / name, other.artifacts.root / name)
    try:
        inputs = {"data": data.id, "base": base}
        return Runner(other, runner.engine).run_step(TOOL, {"schedule": {"epochs": 2.0, **SHORT}}, inputs)
    finally:
        other.close()


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.workspace import Workspace
from corpusmith.tools.train import TOOL
torch.set_num_threads(1)
class Kill:
    def check(self):
        done = list(Path(sys.argv[1]).glob("staging/*/files/training/output/checkpoint-*"))
        if any(int(path.name.split("-")[1]) >= 6 for path in done):
            os.kill(os.getpid(), signal.SIGKILL)
runner = Runner(Workspace.open(Path(sys.argv[1])), LocalEngine(workers=1), cancel=Kill())
runner.run_step(TOOL, {"schedule": {"epochs": 2.0, "max_steps": 12}}, {"data": sys.argv[2], "base": sys.argv[3]})
"""


@pytest.mark.slow
def test_killed_and_gone_on_is_bitwise_undisturbed(
    ask: Ask, runner: Runner, rows: StoredDataset, base: str, tmp_path: Path
) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(corpusmith.__file__).parents[1])}
    words = [sys.executable, "-c", KILLED, str(tmp_path / "ws"), rows.id, base]
    done = subprocess.run(words, env=env, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    artifacts = runner.workspace.artifacts
    assert [name for name in artifacts.ids() if artifacts.open(name).record.kind == "model"] == [base]
    step, undisturbed = ask(schedule=SHORT), elsewhere(runner, tmp_path, rows, base)
    assert 6 <= step.result["resumed_from"] < 12
    same = ("digest", "steps", "loss", "holdout_loss", "tokens", "loss_tokens")
    assert [step.result[key] for key in same] == [undisturbed.result[key] for key in same]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is the workspace."""
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    folder = tmp_path / "ws"
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_clear_error_and_it_goes_on_later(disk: Path, ask: Ask, runner: Runner) -> None:
    class Fill:
        def check(self) -> None:
            if list(disk.glob("staging/*/files/training/output/checkpoint-*")) and not (disk / "ballast").exists():
                (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - (40 << 10)))

    runner.cancel = Fill()
    refused(runner, ask, WorkspaceError, "full", schedule=SHORT)
    (disk / "ballast").unlink()
    runner.cancel = LocalEngine(workers=1).cancel
    assert ask(schedule=SHORT).result["resumed_from"]
