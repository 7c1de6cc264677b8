"""Prepared data and specifications for tiny trainings."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from corpusmith.models.training.spec import AdapterSettings, Schedule, TrainSpec

Row = dict[str, list[int]]
LENGTH = 64


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def example(rng: random.Random) -> list[int]:
    """A sequence with something to learn: each token follows from the one before."""
    start, stride = rng.randrange(5, 300), rng.choice([1, 2])
    return [5 + (start + stride * i) % 300 for i in range(rng.randrange(8, 20))]


def packed(rng: random.Random, examples: int) -> Row:
    row: Row = {"input_ids": [], "labels": [], "position_ids": []}
    for _ in range(examples):
        ids = example(rng)
        row["input_ids"] += ids
        row["labels"] += [-100] * 3 + ids[3:]
        row["position_ids"] += range(len(ids))
    return row


@pytest.fixture
def rows() -> Callable[..., list[Row]]:
    """`rows(24, examples=2)`: prepared rows, the same ones each time."""

    def make(count: int = 24, examples: int = 2, seed: int = 0) -> list[Row]:
        rng = random.Random(seed)
        return [packed(rng, rng.randint(1, examples)) for _ in range(count)]

    return make


@pytest.fixture
def prepared(tmp_path: Path, rows: Callable[..., list[Row]]) -> Callable[..., str]:
    """`prepared(rows)`: a Parquet file of them."""

    def write(content: list[Row] | None = None, name: str = "train.parquet") -> str:
        content = rows() if content is None else content
        schema = pa.schema([(column, pa.list_(pa.int32())) for column in content[0]])
        pq.write_table(pa.Table.from_pylist(content, schema=schema), tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def spec(tiny_folder: Path, tmp_path: Path, prepared: Callable[..., str]) -> Callable[..., TrainSpec]:
    """`spec(adapter="lora", steps=12, ...)`: a small training."""

    def make(adapter: str = "none", steps: int = 12, rate: float = 5e-3, **more: Any) -> TrainSpec:
        settings = {"kind": adapter, "rank": 4, **more.pop("settings", {})}
        schedule = {"learning_rate": rate, "max_steps": steps, "batch_tokens": 8 * LENGTH, **more.pop("schedule", {})}
        said: dict[str, Any] = {
            "method": "sft",
            "model": str(tiny_folder),
            "data": more.pop("data", None) or prepared(),
            "output": str(tmp_path / "out"),
            "adapter": AdapterSettings.model_validate(settings),
            "schedule": Schedule.model_validate(schedule),
            "sequence_length": LENGTH,
            "rows_per_step": 4,
            "checkpoint_every": 5,
        }
        return TrainSpec.model_validate(said | more)

    return make


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
