"""What a server is asked to serve, and where it reads which version that means now.

name            its champion, and the endpoint's canary beside it
name@version    that version, whatever the aliases do (an alias is looked up once, at the start)
artifact id     that model, registered or not
"""

from __future__ import annotations

from dataclasses import dataclass

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.models.serving.fleet import Wish
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.model_evidence import manifest_of
from corpusmith.store.registry import ModelRegistry


@dataclass(frozen=True)
class Served:
    """A model to serve.

    Attributes:
        model: `name`, `name@version` or an artifact id.
        name: What requests ask for.
        endpoint: Name of an endpoint that serves it, unless another is given.
    """

    model: str
    name: str
    endpoint: str

    @property
    def follows(self) -> bool:
        """Whether it follows the champion."""
        return self.model == self.name


def served_of(ref: str, registry: ModelRegistry, artifacts: ArtifactStore) -> Served:
    """What a reference means to a server.

    Raises:
        NotFoundError: Nothing answers to it.
        PreconditionError: It is a name without a champion, or an artifact that is no model.
    """
    name, at, alias = ref.partition("@")
    if not at and registry.versions(name):
        if registry.aliases(name).champion is None:
            raise PreconditionError(
                f"the model {name} has no champion to serve",
                hint=f"Promote a version with `corpusmith model promote`, or serve {name}@VERSION.",
            )
        return Served(name, name, name)
    if at and alias == "champion" and registry.aliases(name).champion is not None:
        return Served(name, name, name)
    try:
        version = registry.resolve(ref)
    except NotFoundError:
        begun = [i for i in artifacts.ids() if len(ref) >= 4 and i.startswith(ref)]
        if len(begun) != 1:
            raise
        manifest_of(artifacts.open(begun[0]))
        return Served(begun[0], f"model-{begun[0][:12]}", f"model-{begun[0][:12]}")
    return Served(version.ref, version.name, f"{version.name}-v{version.version}")


@dataclass(frozen=True)
class RegistryWish:
    """A `fleet.Source` over the registry and an endpoint's record."""

    registry: ModelRegistry
    endpoints: Endpoints
    endpoint: str
    served: Served

    def read(self) -> Wish:
        """The champion and the canary of now.

        Raises:
            PreconditionError: The name has no champion.
        """
        wanted = self.endpoints.get(self.endpoint)
        if not self.served.follows:
            return Wish(self.served.model, generation=wanted.generation)
        name = self.served.name
        champion = self.registry.aliases(name).champion
        if champion is None:
            raise PreconditionError(f"the model {name} has no champion", hint="See `corpusmith model list`.")
        canary = None if wanted.canary is None else f"{name}@{wanted.canary}"
        return Wish(f"{name}@{champion}", canary, wanted.canary_share, wanted.generation)
