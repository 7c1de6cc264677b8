"""Whether the graders' libraries are here; they are part of the optional extra `train`."""

from __future__ import annotations

from importlib.util import find_spec

from corpusmith.core.errors import PreconditionError

PACKAGES = {"sklearn": "scikit-learn"}


def need_grading_libraries(*names: str) -> None:
    """Check that the modules `names` can be imported.

    Raises:
        PreconditionError: One is missing.
    """
    missing = [PACKAGES.get(name, name) for name in names if find_spec(name) is None]
    if missing:
        raise PreconditionError(
            f"grading needs the extra `train` ({', '.join(missing)} missing)",
            hint="pip install 'corpusmith[train]'",
            missing=missing,
        )
