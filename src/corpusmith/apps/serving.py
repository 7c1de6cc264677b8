"""Puts a server together: the composition root's part that a serving process needs, in this process or in Ray's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from corpusmith.apps.approving import actor
from corpusmith.apps.compose import App
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import Settings
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.serving.contract import Grounder
from corpusmith.models.serving.extra import EngineKind
from corpusmith.models.serving.fleet import Open
from corpusmith.models.serving.following import RegistryWish, Served, served_of
from corpusmith.models.serving.opening import EngineOpener
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.endpoints import Backend, Endpoints

if TYPE_CHECKING:
    from corpusmith.models.serving.server import ServeParts


def declared(app: App, ref: str, name: str | None, backend: Backend, index: str | None) -> tuple[Served, str]:
    """What is to be served, on record: (the model, the endpoint's name).

    Raises:
        NotFoundError: There is no such model or index.
        PreconditionError: The name has no champion, or something else is served under the endpoint's name.
    """
    served = served_of(ref, app.registry(actor()), app.workspace.artifacts)
    endpoint = name or served.endpoint
    index_id = None if index is None else app.workspace.resolve(index).id
    endpoints = Endpoints(app.workspace.database, actor())
    endpoints.declare(endpoint, served.model, backend, index_id)
    return served, endpoint


def make_parts(settings: Settings, endpoint: str, log: str | None = None, engine: EngineKind = "plain") -> ServeParts:
    """Open the workspace and make what serves an endpoint that is on record."""
    from corpusmith.models.serving.server import ServeParts

    app = App.open(settings, quiet=True)
    registry, database = app.registry(actor()), app.workspace.database
    endpoints = Endpoints(database, actor())
    wanted = endpoints.get(endpoint)
    served = served_of(wanted.model, registry, app.workspace.artifacts)
    plain = EngineOpener(registry, app.workspace.artifacts, app.services(actor())["hub"])
    return ServeParts(
        name=served.name,
        endpoint=endpoint,
        source=RegistryWish(registry, endpoints, endpoint, served),
        open_version=plain if engine == "plain" else _on_vllm(plain, settings),
        endpoints=endpoints,
        keys=ApiKeys(database),
        folder=settings.workspace / "serving" / endpoint,
        grounders={} if wanted.index is None else {"*": _grounder(app, wanted.index, settings)},
        log=log,
    )


def maker(settings: Settings, endpoint: str, log: str | None, engine: EngineKind = "plain") -> partial[ServeParts]:
    """`make_parts` for another process: it can be pickled."""
    return partial(make_parts, settings, endpoint, log, engine)


def _on_vllm(plain: EngineOpener, settings: Settings) -> Open:
    from corpusmith.models.serving.vllm_backend import VllmOpener

    return VllmOpener(plain, settings.workspace / "serving" / "merged")


def _grounder(app: App, index: str, settings: Settings) -> Grounder:
    """An index to answer from: on the Qdrant server that it was built for, else from a copy of this process's own."""
    try:
        from corpusmith.models.retrieval.grounder import open_grounder
        from corpusmith.models.retrieval.opening import IndexAccess, manifest_of_index
    except ImportError as error:
        raise ParameterError(
            f"--index needs the extra `retrieve` ({error.name} missing)", hint="pip install 'corpusmith[retrieve]'"
        ) from error
    artifact = app.workspace.artifacts.open(index)
    openai = HostedAccess(base_url=settings.model_base_url, api_key=settings.openai_api_key)
    store, key = manifest_of_index(artifact).store, settings.qdrant_api_key
    return open_grounder(artifact, IndexAccess(store_url=store, store_key=key, openai=openai))
