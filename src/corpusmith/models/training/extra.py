"""Whether the training libraries are here; they are the optional extra `train`."""

from __future__ import annotations

from importlib.util import find_spec

from corpusmith.core.errors import PreconditionError


def need_training_libraries(*more: str) -> None:
    """Check that torch, transformers and PEFT, and `more`, can be imported.

    Raises:
        PreconditionError: One is missing.
    """
    missing = [name for name in ("torch", "transformers", "peft", *more) if find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"training needs the extra `train` ({', '.join(missing)} missing)",
            hint="pip install 'corpusmith[train]'",
            missing=missing,
        )
