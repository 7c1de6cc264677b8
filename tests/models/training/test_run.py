"""Whole trainings of a tiny model, in process."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError, SourceError
from corpusmith.models.training.run import train

Spec = Callable[..., Any]


def weights(outcome: Any) -> dict[str, torch.Tensor]:
    (file,) = Path(outcome.final).glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize("adapter", ["none", "lora", "dora", "prompt"])
def test_it_learns_and_leaves_a_model_that_opens(
    spec: Spec, rows: Any, prepared: Any, tiny_folder: Path, adapter: str
) -> None:
    data = prepared(rows(examples=1 if adapter == "prompt" else 2))
    lines: list[str] = []
    seen: list[tuple[str, int, Any]] = []
    outcome = train(
        spec(adapter, data=data, holdout=data, rate=2e-2, settings={"virtual_tokens": 4}),
        emit=lines.append,
        on_checkpoint=lambda folder, step, metrics: seen.append((folder.name, step, metrics["holdout_loss"])),
    )
    assert outcome.steps == 12
    losses = [point.loss for point in outcome.curve if point.loss is not None]
    assert outcome.loss == pytest.approx(sum(losses[-2:]) / 2)
    assert outcome.holdout_loss is not None
    assert outcome.holdout_loss < losses[0] - (0.001 if adapter == "prompt" else 0.05)
    assert [(name, step) for name, step, _ in seen] == [(f"checkpoint-{step}", step) for step in (5, 10, 12)]
    assert all(holdout is not None for *_, holdout in seen)
    assert sorted(path.name for path in Path(outcome.final).parent.iterdir()) == [
        "checkpoint-10", "checkpoint-12", "final",
    ]  # fmt: skip
    files = {path.name for path in Path(outcome.final).iterdir()}
    assert {"tokenizer.json", "chat_template.jinja"} < files
    assert not any(name.endswith((".bin", ".pt", ".md")) for name in files)
    assert any("tokens/s" in line for line in lines)
    if adapter == "none":
        transformers.AutoModelForCausalLM.from_pretrained(outcome.final)
    else:
        assert str(tiny_folder) not in (Path(outcome.final) / "adapter_config.json").read_text()
        base = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
        peft.PeftModel.from_pretrained(base, outcome.final)
    if adapter in ("lora", "dora"):
        assert not any("lm_head" in name for name in weights(outcome))
    assert (outcome.mfu, outcome.halvings, outcome.resumed_from) == (None, 0, None)
    assert 0 < outcome.loss_tokens < outcome.tokens


def test_a_sum_over_small_passes_is_one_large_pass(spec: Spec, tmp_path: Path) -> None:
    large = train(spec(rows_per_step=8, output=str(tmp_path / "large")))
    small = train(spec(rows_per_step=1, output=str(tmp_path / "small")))
    assert large.tokens == small.tokens
    for name, value in weights(large).items():
        torch.testing.assert_close(weights(small)[name], value, rtol=1e-3, atol=2e-5, msg=name)


def test_the_same_seed_gives_the_same_adapter_and_another_one_another(spec: Spec, tmp_path: Path) -> None:
    first, again, other = (
        weights(train(spec("lora", steps=2, seed=seed, output=str(tmp_path / name))))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_pretraining_learns_every_token_but_the_first(spec: Spec, rows: Any, prepared: Any) -> None:
    content = [row | {"labels": row["input_ids"]} for row in rows()]
    outcome = train(spec(method="pretrain", data=prepared(content), schedule={"max_steps": None, "epochs": 1}))
    assert outcome.tokens == sum(len(row["input_ids"]) for row in content)
    assert outcome.loss_tokens == outcome.tokens - sum(row["position_ids"].count(0) for row in content)


def test_a_loss_that_is_no_number_ends_it_and_is_told(spec: Spec, tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = train(spec(rate=1e30), emit=lines.append)
    assert math.isnan(outcome.loss)
    assert outcome.steps < 12
    assert any("training stops here" in line for line in lines)
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_trackers_are_those_that_were_named(spec: Spec, tmp_path: Path) -> None:
    train(spec(steps=2, output=str(tmp_path / "none")))
    assert not list((tmp_path / "none").rglob("events.*"))
    train(spec(steps=2, report_to=["tensorboard"]))
    (events,) = (tmp_path / "out").rglob("events.*")
    assert b"train/loss" in events.read_bytes()


def test_gradient_checkpointing_changes_nothing(spec: Spec, tmp_path: Path) -> None:
    plain = weights(train(spec("lora", steps=3, output=str(tmp_path / "plain"))))
    spared = weights(train(spec("lora", steps=3, gradient_checkpointing=True)))
    for name, value in plain.items():
        torch.testing.assert_close(spared[name], value, rtol=1e-4, atol=1e-6)


def test_going_on_from_an_adapter(spec: Spec, tmp_path: Path) -> None:
    first = train(spec("lora", output=str(tmp_path / "first")))
    second = train(spec("lora", steps=1, rate=1e-12, start_adapter=first.final))
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value)


def test_what_cannot_work_is_refused(
    spec: Spec, prepared: Any, rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(kind: type[Exception], says: str, **said: Any) -> None:
        with pytest.raises(kind, match=says):
            train(spec(**{"adapter": "lora", "steps": 1, **said}))
        assert not (tmp_path / "out" / "final").exists()

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(PreconditionError, "QLoRA needs an NVIDIA GPU", adapter="qlora")
    refused(PreconditionError, "sharded weights", adapter="prompt", fsdp=True)
    refused(PreconditionError, "bfloat16 needs", dtype="bfloat16")
    refused(ParameterError, "head", settings={"targets": ["lm_head"]})
    refused(ParameterError, "no such module", settings={"targets": ["nothing_so_called"]})
    refused(NotFoundError, "cannot be loaded", model=str(tmp_path / "nowhere"))
    refused(SourceError, "no prepared data", data=str(tmp_path / "none.parquet"))
    refused(SourceError, "lacks prompt_ids", method="dpo")
    row = rows(1)[0]
    refused(PreconditionError, "no token bears loss", data=prepared([row | {"labels": [-100] * len(row["labels"])}]))
    refused(PreconditionError, "token ids", data=prepared([row | {"input_ids": [9999] * len(row["labels"])}]))
    refused(PreconditionError, "one example a row", adapter="prompt")
    (tmp_path / "torn.parquet").write_bytes(b"nothing")
    refused(SourceError, "not a Parquet file", data=str(tmp_path / "torn.parquet"))
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([], pa.list_(pa.int32())) for name in ("input_ids", "labels", "position_ids")}
    pq.write_table(pa.table(columns), tmp_path / "empty.parquet")
    refused(PreconditionError, "no example", data=str(tmp_path / "empty.parquet"))


def test_a_single_row_is_enough(spec: Spec, prepared: Any, rows: Any) -> None:
    assert train(spec("lora", data=prepared(rows(1)))).steps == 12


def test_the_outcome_is_plain_data(spec: Spec) -> None:
    outcome = train(spec("lora", steps=1))
    assert json.loads(outcome.model_dump_json())["versions"]["torch"] == version("torch")
