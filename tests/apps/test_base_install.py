"""The base install: without the extra `train` the command line, the tools and the composition root are all there."""

from __future__ import annotations

import subprocess
import sys

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


MODULES = (
    "corpusmith.tools.registry", "corpusmith.apps.compose", "corpusmith.apps.commands.doctor",
    "corpusmith.apps.commands.models", "corpusmith.apps.commands.serve", "corpusmith.evals.suite",
)  # fmt: skip
EACH_AFRESH = f"""{BLOCK}
from importlib import import_module

for module in {MODULES!r}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "corpusmith"]:
        del sys.modules[name]
    import_module(module)
    print(module, flush=True)
sys.argv = ["corpusmith", "tool", "list"]
import_module("corpusmith.apps.cli").main()
"""


def test_everything_imports_and_tools_are_listed_without_any_extra() -> None:
    done = subprocess.run([sys.executable, "-c", EACH_AFRESH], capture_output=True, text=True, check=False)
    imported, listed = done.stdout.split()[: len(MODULES)], done.stdout.splitlines()[len(MODULES) :]
    assert tuple(imported) == MODULES, done.stderr
    assert done.returncode == 0, done.stderr
    assert any("train" in line or "base" in line for line in listed)
