"""Out of memory: half the rows, twice the passes, the same step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training.preference import PreferenceTrainer
from corpusmith.models.training.run import train
from corpusmith.models.training.trainer import RowTrainer

Spec = Callable[..., Any]


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`small_memory(rows=2, from_pass=3)`: more rows than that do not fit, from that pass on."""

    def limit(
        rows: int, from_pass: int = 0, error: type[BaseException] = torch.OutOfMemoryError, trainer: Any = RowTrainer
    ) -> None:
        original = trainer.compute_loss
        passes = 0

        def compute_loss(self: Any, model: Any, inputs: Any, **kwargs: Any) -> Any:
            nonlocal passes
            passes += 1
            loss = original(self, model, inputs, **kwargs)
            if passes > from_pass and len(inputs["input_ids"]) > rows:
                loss.backward()  # what a real one leaves behind: a part of the gradients
                raise error("no memory left")
            return loss

        monkeypatch.setattr(trainer, "compute_loss", compute_loss)

    return limit


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
@pytest.mark.parametrize(("fitting", "halvings"), [(2, 1), (1, 2)])
def test_the_same_steps_with_fewer_rows(
    spec: Spec, tmp_path: Path, small_memory: Any, error: type[BaseException], fitting: int, halvings: int
) -> None:
    undisturbed = train(spec("lora", steps=6, output=str(tmp_path / "undisturbed")))
    small_memory(fitting, from_pass=5, error=error)  # amid the third step, at its second pass
    lines: list[str] = []
    outcome = train(spec("lora", steps=6), emit=lines.append)
    assert (outcome.steps, outcome.halvings, outcome.rows_per_step) == (6, halvings, fitting)
    assert outcome.tokens == undisturbed.tokens
    assert sum("out of memory with" in line for line in lines) == halvings
    mine, theirs = (load_file(Path(o.final) / "adapter_model.safetensors") for o in (outcome, undisturbed))
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=1e-3, atol=2e-5)
    assert outcome.loss == pytest.approx(undisturbed.loss, rel=1e-4)


def test_pairs_are_divided_and_weighted(spec: Spec, prepared: Any, tmp_path: Path, small_memory: Any) -> None:
    content = [
        {"prompt_ids": [5 + i] * (1 + i % 4), "chosen_ids": [20, 21, 1], "rejected_ids": [40 + i, 1]} for i in range(14)
    ]
    said: dict[str, Any] = {"method": "dpo", "data": prepared(content, "pairs.parquet"), "rows_per_step": 7}
    undisturbed = train(spec("lora", output=str(tmp_path / "undisturbed"), **said))
    small_memory(8, from_pass=3, trainer=PreferenceTrainer)  # 7 pairs are 14 sequences; 4 and 3 pairs fit
    outcome = train(spec("lora", **said))
    assert (outcome.halvings, outcome.rows_per_step) == (1, 4)
    assert outcome.loss == pytest.approx(undisturbed.loss, rel=1e-4)


def test_one_row_that_does_not_fit_is_told(spec: Spec, small_memory: Any, tmp_path: Path) -> None:
    small_memory(rows=0)
    with pytest.raises(PreconditionError, match="out of memory with a single row") as caught:
        train(spec("lora"))
    assert "gradient_checkpointing" in caught.value.hint
    assert not (tmp_path / "out" / "final").exists()
