"""What every route needs: the models, the retrieval, the limits; how a model's name is read and an index asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from corpusmith.core.errors import NotFoundError
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.api.visit import Visit
from corpusmith.models.serving.contract import Fleet, Grounder, Grounding, ServedModel

RAG = "+rag"
ANY_MODEL = "*"
"""Key of a grounder that every model may use."""
NOT_FOUND = "The index holds nothing about this."
"""The answer where no passage speaks of the question: the model is not asked, so that it cannot invent one."""
T = TypeVar("T")


@dataclass(frozen=True)
class Desk:
    """Shared by the routes of one server."""

    fleet: Fleet
    grounders: Mapping[str, Grounder]
    limits: Limits

    def names(self) -> list[str]:
        """Every name that a request may ask for."""
        return [name + end for name in self.fleet.names() for end in ("", RAG) if not end or self._grounder(name)]

    def grounder(self, name: str) -> Grounder:
        """The index that stands behind `<name>+rag`.

        Raises:
            NotFoundError: There is none.
        """
        found = self._grounder(name)
        if found is None:
            raise NotFoundError(f"no index is served with the model {name!r}", hint=f"There are: {self.names()}.")
        return found

    async def borrow(self, visit: Visit, asked: str) -> tuple[ServedModel, Grounder | None]:
        """The model of a request, and the index that its name calls for.

        Raises:
            NotFoundError: There is no such model or index.
        """
        visit.model = asked[:512]
        name = asked.removesuffix(RAG)
        grounder = self.grounder(name) if name != asked else None
        return await visit.borrow(self.fleet, name, asked), grounder

    def _grounder(self, name: str) -> Grounder | None:
        bare = name.partition("@")[0]
        return next((self.grounders[key] for key in (name, bare, ANY_MODEL) if key in self.grounders), None)


async def in_thread(visit: Visit, work: Callable[[], T]) -> T:
    """What takes long and holds the loop up, elsewhere; not past the deadline."""
    async with asyncio.timeout_at(visit.deadline):
        return await asyncio.to_thread(work)


async def grounded(
    visit: Visit, grounder: Grounder, messages: Sequence[Mapping[str, Any]], k: int, filters: Mapping[str, Any] | None
) -> Grounding:
    """Put passages into a conversation.

    Raises:
        ParameterError, SourceError: As `Grounder.ground`.
    """
    found = await in_thread(visit, lambda: grounder.ground(messages, k=k, filters=filters))
    visit.passages = tuple(str(one["row_id"]) for one in found.citations if "row_id" in one)
    return found


def grounding_facts(found: Grounding) -> dict[str, Any]:
    """What the client is told beside the answer."""
    return {
        "citations": found.citations,
        "grounding": {"filters": found.filters, "notes": list(found.notes), "found": found.found},
    }


def desk_of(request: Request) -> Desk:
    """The desk of the server that the request came to."""
    desk: Desk = request.app.state.desk
    return desk
