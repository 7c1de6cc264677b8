"""Refuses an index or an endpoint that cannot be made here before a run exists."""

from __future__ import annotations

from corpusmith.core.brief import Brief, DeployWish, IndexWish
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import Settings
from corpusmith.models.retrieval.embedding import parse_embedder
from corpusmith.models.retrieval.extra import need_encoder_libraries, need_retrieval_libraries
from corpusmith.models.serving.extra import need_serving_libraries


def refuse_delivery_early(brief: Brief, settings: Settings) -> None:
    """Look at what an index and an endpoint need, without opening a model or a store.

    Raises:
        PreconditionError: An extra is missing.
        ParameterError: There is no such embedder, or its server has no key.
    """
    if brief.index is not None:
        _refuse_index(brief.index, settings)
    if brief.deploy is not None:
        _refuse_endpoint(brief.deploy)


def _refuse_index(wish: IndexWish, settings: Settings) -> None:
    need_retrieval_libraries(*(["qdrant_client", "llama_index"] if wish.store else []))
    parse_embedder(wish.embedder)
    if wish.embedder.startswith("encoder:"):
        need_encoder_libraries()
    keyless = settings.openai_api_key is None and settings.model_base_url is None
    if wish.embedder.startswith("endpoint:") and keyless:
        raise ParameterError(
            "embeddings of a server need its address or its key", hint="Set OPENAI_BASE_URL, or OPENAI_API_KEY."
        )


def _refuse_endpoint(wish: DeployWish) -> None:
    need_serving_libraries(*(["ray"] if wish.backend == "ray" else []))
