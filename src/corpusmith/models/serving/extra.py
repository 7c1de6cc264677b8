"""Whether the serving libraries are here; they are the optional extra `serve`."""

from __future__ import annotations

from importlib.util import find_spec

from corpusmith.core.errors import PreconditionError

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
