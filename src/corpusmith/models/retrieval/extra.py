"""Whether the retrieval libraries are here; they are the optional extra `retrieve`."""

from __future__ import annotations

from importlib.util import find_spec

from corpusmith.core.errors import PreconditionError


def need_retrieval_libraries(*names: str) -> None:
    """Check that `names` can be imported; without any, the embedded store and the node parsers.

    Raises:
        PreconditionError: One is missing.
    """
    missing = [name for name in names or ("qdrant_edge", "llama_index") if find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"retrieval needs the extra `retrieve` ({', '.join(missing)} missing)",
            hint="pip install 'corpusmith[retrieve]'",
            missing=missing,
        )


def need_encoder_libraries() -> None:
    """Check that what runs an encoder here can be imported.

    Raises:
        PreconditionError: torch or transformers is missing.
    """
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"an encoder of one's own needs the extra `train` ({', '.join(missing)} missing)",
            hint="pip install 'corpusmith[train]'",
            missing=missing,
        )
