"""The benchmark runs where only torch, transformers and PEFT are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "gpu_train.py"
ALONE = """
import runpy, sys
from importlib.abc import MetaPathFinder
BARRED = {"trl", "ray", "datasets", "sklearn", "tensorboard", "openai", "langgraph", "langchain", "numba", "sqlalchemy",
          "typer", "opik", "ftfy", "xxhash"}
class Barred(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Barred())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.split(".")[0] in BARRED else found(name, package)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_it_needs_no_more(tmp_path: Path) -> None:
    words = [
        str(BENCHMARK),
        "--tiny",
        "--steps",
        "1",
        "--warmup",
        "1",
        "--rows",
        "1",
        "--plain-rows",
        "2",
        "--threads",
        "1",
    ]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *words], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    table = [line for line in done.stdout.splitlines() if line.startswith("| tiny")]
    assert len(table) == 2
