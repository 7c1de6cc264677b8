"""Whether a version may be shown to callers: the registry's evaluations decide, nobody else."""

from __future__ import annotations

from corpusmith.core.errors import PreconditionError
from corpusmith.store.model_records import ModelEvaluation, ModelVersion
from corpusmith.store.registry import ModelRegistry


def passing_evaluation(registry: ModelRegistry, version: ModelVersion, *, newest: bool = False) -> ModelEvaluation:
    """The newest evaluation of exactly this version (by its digest) that passed its gates.

    Args:
        registry: The models.
        version: Which one.
        newest: Whether it must be the newest of all of them: what failed since counts.

    Raises:
        PreconditionError: There is none.
    """
    judged = [e for e in registry.evaluations(version) if e.digest == version.digest]
    considered = judged[-1:] if newest else judged
    passed = [e for e in considered if e.passed]
    if passed:
        return passed[-1]
    what = "its newest evaluation does not pass its gates" if judged else "it has no evaluation that passes its gates"
    raise PreconditionError(
        f"{version.ref} may not be served to callers: {what}",
        hint=f"See `corpusmith model show {version.ref}`; evaluate it, and give the evaluation.",
        version=version.ref,
    )
