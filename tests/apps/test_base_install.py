"""The base install: without the extra `train` the command line, the tools and the composition root are all there."""

from __future__ import annotations

import subprocess
import sys

import pytest

EXTRA = (
    "torch", "transformers", "tokenizers", "safetensors", "peft", "trl", "accelerate", "ray", "sklearn", "rouge_score",
    "openai", "langchain_openai", "opik", "tensorboard", "fastapi", "starlette", "uvicorn", "prometheus_client",
)  # fmt: skip
BLOCK = f"""
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize(
    "module",
    [
        "corpusmith.tools.registry",
        "corpusmith.apps.compose",
        "corpusmith.apps.commands.doctor",
        "corpusmith.apps.commands.models",
        "corpusmith.apps.commands.serve",
        "corpusmith.evals.suite",
    ],
)
def test_imports_without_any_extra(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{BLOCK}\nimport {module}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_tools_are_listed_without_any_extra() -> None:
    script = f"{BLOCK}\nsys.argv = ['corpusmith', 'tool', 'list']\nfrom corpusmith.apps.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout or "base" in done.stdout
