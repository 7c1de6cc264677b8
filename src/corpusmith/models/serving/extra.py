"""Whether the serving libraries are here; they are the optional extra `serve`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from corpusmith.core.errors import PreconditionError

EngineKind = Literal["plain", "vllm"]
"""What makes the tokens: transformers in this process, or vLLM."""
_NEEDED = ("fastapi", "uvicorn", "httptools", "prometheus_client", "torch", "transformers", "peft")


def need_serving_libraries(*more: str) -> None:
    """Check that they, and `more`, can be imported.

    Raises:
        PreconditionError: One is missing.
    """
    missing = [name for name in (*_NEEDED, *more) if find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"serving needs the extra `serve` ({', '.join(missing)} missing)",
            hint="pip install 'corpusmith[serve]'",
            missing=missing,
        )


def need_vllm() -> None:
    """Check that vLLM can run here.

    Raises:
        PreconditionError: It is not installed, or there is no CUDA device.
    """
    missing = ["vllm is not installed"] if find_spec("vllm") is None else []
    if not import_module("torch").cuda.is_available():
        missing.append("there is no CUDA device")
    if missing:
        raise PreconditionError(
            f"vLLM is asked for, and {' and '.join(missing)}",
            hint="Install vllm beside corpusmith[serve] on a machine with a GPU, or serve with --engine plain.",
        )


def need_runtime(backend: str, engine: EngineKind) -> None:
    """Check that what is to run a server is here.

    Raises:
        PreconditionError: A package is missing, or a GPU.
    """
    need_serving_libraries(*(["ray"] if backend == "ray" else []))
    if engine == "vllm":
        need_vllm()
