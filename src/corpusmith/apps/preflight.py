"""Refuses what cannot work before a run exists, so that nothing half-made is left: no run, no artifact, no folder."""

from __future__ import annotations

from corpusmith import sources
from corpusmith.agent.modelling import wants_model
from corpusmith.agent.options import RunOptions
from corpusmith.apps.approving import approver
from corpusmith.apps.delivery_preflight import refuse_delivery_early
from corpusmith.apps.model_preflight import refuse_models_early
from corpusmith.core.brief import Brief
from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.core.settings import Settings


def refuse_early(brief: Brief, options: RunOptions, settings: Settings) -> None:
    """Look at everything the run will need, without reading a row.

    Raises:
        SourceError: A source, an evaluation set or a document is missing, empty or of a kind that is not read.
        ParameterError: The column named is not there, the planner lacks a model, or the policy is none.
        PreconditionError: A model, an index or an endpoint is wanted, and this installation or machine cannot make it.
    """
    approver(options.approve, options.policy)
    if options.planner == "llm":
        model_name(options, settings)
    if not brief.sources:
        raise SourceError("the request names no source", hint="Add --source PATH, or name a path in the request.")
    sources.open_sources(brief.sources, text_field=brief.text_field)
    for path in (*brief.decontaminate_against, *brief.grounded_in):
        sources.open_sources([path])
    if wants_model(brief):
        refuse_models_early(brief, settings)
        refuse_delivery_early(brief, settings)


def model_name(options: RunOptions, settings: Settings) -> str:
    """The chat model of the llm planner.

    Raises:
        ParameterError: None is named.
    """
    name = options.model or settings.model
    if name is None:
        raise ParameterError("the llm planner needs a model", hint="Give --model provider:name, e.g. openai:gpt-4o.")
    return name
