"""Two processes train what one does: each a copy of the weights, or each a half of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

import corpusmith
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import TrainOutcome

WORKER = """
import sys, torch
from pathlib import Path
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import TrainSpec
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
for path in sys.argv[1:]:  # the second goes on from a checkpoint of the first
    spec = TrainSpec.model_validate_json(Path(path).read_text())
    kept = Path(spec.output).parent / "first" / "checkpoint-5"
    outcome = train(spec, resume=kept if kept.is_dir() else None)
    if torch.distributed.get_rank() == 0:
        Path(path + ".outcome").write_text(outcome.model_dump_json())
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("adapter", "fsdp"), [("lora", False), ("lora", True), ("none", True)])
def test_two_processes(spec: Callable[..., Any], tiny_folder: Path, tmp_path: Path, adapter: str, fsdp: bool) -> None:
    data = spec().data
    base = shutil.copytree(tiny_folder, tmp_path / "base")
    if adapter == "none":  # head and embedding are one
        config = transformers.AutoConfig.from_pretrained(base, tie_word_embeddings=True)
        torch.manual_seed(0)
        transformers.LlamaForCausalLM(config).save_pretrained(base)
    alone = train(spec(adapter, steps=8, model=str(base), holdout=data, output=str(tmp_path / "alone")))
    paths = []
    for name in ("first", "again"):
        said = spec(
            adapter, steps=8, model=str(base), holdout=data, output=str(tmp_path / name), rows_per_step=2, fsdp=fsdp,
            keep_checkpoints=5,
        )  # fmt: skip
        paths.append(str(tmp_path / f"{name}.json"))
        Path(paths[-1]).write_text(said.model_dump_json())
    env = os.environ | {"PYTHONPATH": str(Path(corpusmith.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    done = subprocess.run([sys.executable, *words, sys.executable, "-c", WORKER, *paths], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    wanted = load_file(next(Path(alone.final).glob("*.safetensors")))
    for path, resumed in zip(paths, (None, 5), strict=True):
        outcome = TrainOutcome.model_validate_json(Path(path + ".outcome").read_text())
        assert (outcome.steps, outcome.workers, outcome.resumed_from) == (8, 2, resumed)
        assert (outcome.tokens, outcome.loss_tokens) == (alone.tokens, alone.loss_tokens)
        assert outcome.holdout_loss == pytest.approx(alone.holdout_loss, rel=1e-5)
        got = load_file(next(Path(outcome.final).glob("*.safetensors")))
        assert got.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(got[name], value, rtol=1e-3, atol=2e-5)  # Adam on gradients near zero
    sharded = (tmp_path / "first" / "checkpoint-5" / "pytorch_model_fsdp_0").is_dir()
    assert sharded == fsdp
