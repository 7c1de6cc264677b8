"""The step `ablate`: a planted difference is found, none where there is none, and a killed one goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusmith.core.errors import Cancelled, PreconditionError
from corpusmith.core.gates import Gate
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.ablation import ArmScore
from corpusmith.models.training.spec import TrainOutcome
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.model_evidence import read_scorecard
from corpusmith.store.workspace import Workspace
from corpusmith.tools import ablate
from corpusmith.tools.ablate import TOOL, AblateParams, AblateResult

Make = Callable[..., StoredDataset]
NAMES = [f"{a}{b}" for a in ("ba", "ce", "di", "fo", "gu", "ha", "ke", "li") for b in ("ron", "tel", "mas", "vik")]
TINY = {
    "vocabulary": 300, "layers": 1, "width": 16, "inner": 16, "heads": 2, "key_heads": 1, "context": 64, "window": 32,
    "rows_per_step": 4, "epochs": 4, "learning_rate": 1e-2,
}  # fmt: skip


def texts_of(count: int, first: int = 0) -> list[str]:
    draw = np.random.default_rng(first)
    return [" ".join(draw.choice(NAMES, 40)) + "." for _ in range(count)]


def noised(texts: list[str]) -> list[str]:
    draw = np.random.default_rng(0)
    return ["".join(draw.permutation(list(text))) for text in texts]


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablate, "bundled_texts", lambda: tuple(texts_of(60, first=99)))


class FakeArm:
    """Stands in for a training: so many bits per byte for each arm, some noise; counts, and fails when told to."""

    def __init__(self, raw: float, curated: float, fails_after: int | None = None, noise: float = 0.01) -> None:
        self.rates, self.fails_after, self.noise = [raw, curated], fails_after, noise
        self.calls: list[tuple[str, int, int]] = []

    def __call__(self, documents: Any, holdout: Any, tokenizer: Any, recipe: Any, tokens: int, seed: int,
                 folder: Path, **_: Any) -> ArmScore:  # fmt: skip
        if self.fails_after is not None and len(self.calls) >= self.fails_after:
            raise Cancelled("stopped")
        self.calls.append((folder.name, seed, tokens))
        sizes = np.array([len(text.encode()) for _, text in holdout])
        draw = np.random.default_rng([seed, *folder.name.encode()])
        rate = self.rates["curated" in folder.name] + draw.normal(0, self.noise, sizes.size)
        outcome = TrainOutcome(
            steps=1, final="", curve=(), loss=math.nan if math.isnan(rate[0]) else 1.0, tokens=tokens,
            loss_tokens=tokens, seconds=1.0, tokens_per_s=1.0, flops_per_token=1.0, peak_memory_bytes=1,
            rows_per_step=4,
        )  # fmt: skip
        return ArmScore(outcome, 1.0, rate * sizes, sizes)


def call(call_tool: Any, raw: StoredDataset, curated: StoredDataset, *holdout: StoredDataset, **more: Any) -> Any:
    params = AblateParams.model_validate({"seeds": 3, "tokens": 6400, "tiny": TINY} | more)
    inputs = {"raw": raw, "curated": curated} | ({"holdout": holdout[0]} if holdout else {})
    return call_tool(TOOL, params, inputs)


@pytest.mark.slow
def test_text_against_noised_text_gains_and_the_same_gains_nothing(make_dataset: Make, call_tool: Any) -> None:
    import torch

    torch.set_num_threads(1)
    clean, holdout = make_dataset(texts_of(60)), make_dataset(texts_of(30, first=7), uri="h.jsonl")
    raw = make_dataset(texts_of(60)[:15] + noised(texts_of(60)[15:]))
    result, artifact = call(call_tool, raw, clean, holdout)
    assert result.gain_low > 0
    assert result.first_line.startswith("Curation helped: ")
    report = json.loads(artifact.file("report.json").read_text())
    trainings = report["trainings"]
    assert [(one["arm"], one["seed"]) for one in trainings] == [(a, s) for s in (0, 1, 2) for a in ("raw", "curated")]
    assert {one["tokens"] for one in trainings} == {6400}
    card = read_scorecard(artifact.file("scorecard.json"))
    assert card.value("ablation_gain") == pytest.approx(result.raw - result.curated)
    assert Gate(metric="ablation_gain_low", op=">", target=0).holds(card.value("ablation_gain_low"))
    same, _ = call(call_tool, clean, clean, holdout)
    assert (same.gain, same.gain_low, same.gain_high) == (0.0, 0.0, 0.0)
    assert same.first_line.startswith("No gain shown")


@pytest.mark.parametrize(
    ("raw", "curated", "says"), [(2.0, 1.9, "helped"), (1.9, 2.0, "did harm"), (2.0, 2.0, "No gain shown")]
)
def test_what_the_first_line_says(
    make_dataset: Make, call_tool: Any, monkeypatch: pytest.MonkeyPatch, raw: float, curated: float, says: str
) -> None:
    monkeypatch.setattr(ablate, "train_arm", FakeArm(raw, curated))
    data = make_dataset(texts_of(100))
    result, artifact = call(call_tool, data, data)
    assert says in result.first_line
    assert (result.holdout, result.holdout_rows) == ("untouched", 20)
    assert result.notes == ("20 documents are few for an interval.",)
    report = json.loads(artifact.file("report.json").read_text())
    assert report["arms"]["raw"]["rows"] == report["arms"]["curated"]["rows"] == 80
    assert len(json.loads(artifact.file("holdout.json").read_text())["row_ids"]) == 20


def test_instructions_are_trained_on_as_rendered(
    make_dataset: Make, call_tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = FakeArm(2.0, 1.9)
    monkeypatch.setattr(ablate, "train_arm", arm)
    rows = [{"instruction": text, "input": "", "output": text[::-1]} for text in texts_of(100)]
    data = make_dataset(rows, shape=Shape.INSTRUCTION)
    result, artifact = call(call_tool, data, data)
    assert result.holdout_rows == 20
    sizes = json.loads(artifact.file("holdout.json").read_text())["bytes"]
    assert set(sizes) <= {len(text.encode()) for text in data.table().column("text").to_pylist()}


def test_a_training_that_broke_down_fails_the_gate(
    make_dataset: Make, call_tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate, "train_arm", FakeArm(2.0, math.nan))
    data = make_dataset(texts_of(100))
    result, artifact = call(call_tool, data, data)
    assert result.gain is None
    assert result.first_line.startswith("No answer")
    card = read_scorecard(artifact.file("scorecard.json"))
    assert not Gate(metric="ablation_gain_low", op=">", target=0).holds(card.value("ablation_gain_low"))


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    engine = LocalEngine(workers=1)
    yield Runner(Workspace.open(tmp_path / "ws"), engine)
    engine.close()


def test_finished_trainings_survive(runner: Runner, make_dataset: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset(texts_of(100))
    runner.workspace = Workspace.open(data.folder.parent.parent)
    params = {"seeds": 3, "tokens": 6400, "tiny": TINY}
    inputs = {"raw": data.id, "curated": data.id}
    first = FakeArm(2.0, 1.9, fails_after=3)
    monkeypatch.setattr(ablate, "train_arm", first)
    with pytest.raises(Cancelled):
        runner.run_step(TOOL, params, inputs)
    second = FakeArm(2.0, 1.9)
    monkeypatch.setattr(ablate, "train_arm", second)
    step = runner.run_step(TOOL, params, inputs)
    assert [name for name, *_ in first.calls] == ["raw-0", "curated-0", "raw-1"]
    assert [name for name, *_ in second.calls] == ["curated-1", "raw-2", "curated-2"]
    assert len({tokens for *_, tokens in first.calls + second.calls}) == 1
    assert runner.run_step(TOOL, params, inputs).cached
    whole = FakeArm(2.0, 1.9)
    monkeypatch.setattr(ablate, "train_arm", whole)
    other = runner.run_step(TOOL, params | {"holdout_rows": 19}, inputs)
    assert len(whole.calls) == 6
    assert AblateResult.model_validate(step.result).gain == pytest.approx(0.1, abs=0.02)
    assert other.id != step.id


def test_damaged_records_are_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "raw-0.json"
    assert ablate._earlier(path) is None
    path.write_text('{"arm": "raw", "se')
    assert ablate._earlier(path) is None


def test_what_is_refused(make_dataset: Make, call_tool: Any) -> None:
    data = make_dataset(texts_of(20))
    with pytest.raises(PreconditionError, match="the holdout has 4 documents"):
        call(call_tool, data, data)
    with pytest.raises(PreconditionError, match="is left to train on"):
        call(call_tool, data, data, make_dataset(texts_of(20)))
