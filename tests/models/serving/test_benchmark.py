"""The benchmark for a GPU runs on a CPU, so that it is proven to run; the one for a CPU is what it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "gpu_serve.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_without_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("fastapi")
    words = ["--tiny", "--tokens", "3", "--rounds", "1", "--least", "2", "--concurrency", "1", "2", "--peers"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *words], capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split("|") for line in done.stdout.splitlines() if "plain engine" in line]
    assert [row[1].strip() for row in rows] == ["1", "2"]
    assert all(float(cell.replace(",", "")) > 0 for row in rows for cell in row[3:-1])
    assert "ours, vLLM: left out" in done.stdout
