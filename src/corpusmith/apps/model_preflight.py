"""Refuses a model that cannot be made here before a run exists: what it needs, what it names, what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from corpusmith import sources
from corpusmith.agent.understanding.bases import NO_BASE
from corpusmith.core.brief import Brief, TrainingWish
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import Settings
from corpusmith.models.bases import glance
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.preflight import require_training


def refuse_models_early(brief: Brief, settings: Settings) -> None:
    """Look at everything a wanted model needs, without loading weights or downloading any.

    Raises:
        PreconditionError: The extra `train` is missing, QLoRA is asked for without a CUDA device, or a base in a
            folder cannot be trained.
        ParameterError: A base has no possible name, a judge or a provider is asked for without its setting, or money
            is limited where nobody knows what a provider's training costs.
        SourceError: A base, or a set to replay, to judge on or to answer, is not there.
    """
    wish = brief.training
    for path in (brief.answers_for, brief.evaluation.on, brief.evaluation.general, wish.replay_from if wish else None):
        if path is not None:
            sources.open_sources([path])
    if brief.evaluation.judge and settings.model is None:
        raise ParameterError("a judge needs a chat model", hint="Set CORPUSMITH_MODEL to provider:name.")
    if wish is not None and wish.hosted:
        _refuse_hosted(wish, brief.budgets.cost_usd, settings)
        return
    for phrase in brief.not_understood:
        if wish is not None and phrase.endswith(f"({NO_BASE})"):  # anything else in its place would be a guess
            raise ParameterError(
                f"no base model is known as {phrase.removesuffix(f' ({NO_BASE})')}", hint=f"{NO_BASE.capitalize()}."
            )
    access = HubAccess(endpoint=settings.hub_endpoint, token=settings.hub_token)
    if wish is not None:
        method = "pretrain" if wish.method == "auto" else wish.method
        on_ray = wish.place.backend == "ray" or (wish.place.workers or 1) > 1
        require_training(method, wish.adapter, on_ray)
        _refuse_bases(() if wish.from_champion else wish.bases, access)
    elif brief.ablation or brief.approach == "prompting":
        require_training("pretrain", "none")
    if brief.approach == "prompting":
        _refuse_bases((brief.prompted,), access)


def _refuse_hosted(wish: TrainingWish, limit_usd: float | None, settings: Settings) -> None:
    """A provider without its key, or a limit that could not be kept."""
    if settings.openai_api_key is None and settings.model_base_url is None:
        raise ParameterError("training at a provider needs its key", hint="Set OPENAI_API_KEY.")
    unknown = [base for base in wish.bases if base not in settings.fine_tuning_prices]
    if limit_usd is not None and unknown:
        raise ParameterError(
            f"at most {limit_usd:g} USD may be spent, and what training {unknown[0]} costs is not known",
            hint=f"Take it from the provider's list: set CORPUSMITH_FINE_TUNING_PRICES={unknown[0]}=DOLLARS, for a "
            "million trained tokens.",
        )


def _refuse_bases(names: Sequence[str], access: HubAccess) -> None:
    """Bases that are not there, or that cannot be trained as far as their files tell."""
    for name in names:
        glance(name, access)
