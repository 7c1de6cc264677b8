"""Refuses a model that cannot be made here before a run exists: what it needs, what it names, what it lacks."""

from __future__ import annotations

from corpusmith import sources
from corpusmith.agent.understanding.bases import NO_BASE
from corpusmith.core.brief import Brief, TrainingWish
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import Settings
from corpusmith.models.bases import glance
from corpusmith.models.preflight import require_training


def refuse_models_early(brief: Brief, settings: Settings) -> None:
    """Look at everything a wanted model needs, without loading or downloading one.

    Raises:
        PreconditionError: The extra `train` is missing, or QLoRA is asked for without a CUDA device.
        ParameterError: A base has no possible name, or a judge or a provider is asked for without its setting.
        SourceError: A base's folder, or a set to replay or to judge on, is not there.
    """
    wish = brief.training
    for path in (brief.evaluation.on, brief.evaluation.general, wish.replay_from if wish else None):
        if path is not None:
            sources.open_sources([path])
    if brief.evaluation.judge and settings.model is None:
        raise ParameterError("a judge needs a chat model", hint="Set CORPUSMITH_MODEL to provider:name.")
    if wish is not None and wish.hosted:
        if settings.openai_api_key is None and settings.model_base_url is None:
            raise ParameterError("training at a provider needs its key", hint="Set OPENAI_API_KEY.")
        return
    for phrase in brief.not_understood:
        if wish is not None and phrase.endswith(f"({NO_BASE})"):  # anything else in its place would be a guess
            raise ParameterError(
                f"no base model is known as {phrase.removesuffix(f' ({NO_BASE})')}", hint=f"{NO_BASE.capitalize()}."
            )
    if wish is not None:
        _refuse_training(wish)
    elif brief.ablation or brief.approach == "prompting":
        require_training("pretrain", "none")
    if brief.approach == "prompting":
        glance(TrainingWish().bases[0])


def _refuse_training(wish: TrainingWish) -> None:
    method = "pretrain" if wish.method == "auto" else wish.method
    on_ray = wish.place.backend == "ray" or (wish.place.workers or 1) > 1
    require_training(method, wish.adapter, on_ray)
    for name in wish.bases:
        glance(name)
