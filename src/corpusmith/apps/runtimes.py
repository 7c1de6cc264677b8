"""What `serve` and `deploy` may be run on, from the words of their options: one meaning, and one error for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.extra import EngineKind, need_runtime
from corpusmith.store.endpoints import Backend

LEAST, MOST = 1, 4


@dataclass(frozen=True)
class Runtime:
    """What runs a server; `replicas` are the fewest and the most of them on Ray, None = as usual."""

    backend: Backend
    engine: EngineKind
    replicas: tuple[int, int] | None


def runtime_of(options: dict[str, Any]) -> Runtime:
    """Read `backend`, `engine`, `least` and `most`, and take them out of the options.

    Raises:
        ParameterError: One is unknown, or replicas are wanted where there can be but one.
        PreconditionError: A package or a GPU that they need is missing.
    """
    backend, engine, least, most = (options.pop(name) for name in ("backend", "engine", "least", "most"))
    if backend not in get_args(Backend):
        raise ParameterError(f"--backend {backend}", hint="It may be uvicorn or ray.")
    if engine not in get_args(EngineKind):
        raise ParameterError(f"--engine {engine}", hint="It may be plain or vllm.")
    replicas = None
    if least is not None or most is not None:
        if backend != "ray":
            raise ParameterError(
                "--min-replicas and --max-replicas are for Ray", hint="Give --backend ray, or leave them out."
            )
        low = LEAST if least is None else least
        replicas = (low, max(low, MOST) if most is None else most)
        if not 1 <= replicas[0] <= replicas[1]:
            raise ParameterError(
                f"{replicas[0]} to {replicas[1]} replicas are no range", hint="Give 1 or more, the smaller first."
            )
    need_runtime(backend, engine)
    return Runtime(backend, engine, replicas)
