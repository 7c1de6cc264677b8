"""What every route needs: the models, the retrieval, the limits; how a model's name is read and an index asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
    visit: Visit,
    grounder: Grounder,
    served: ServedModel,
    messages: Sequence[Mapping[str, Any]],
    asked: tuple[int, Mapping[str, Any] | None],
    answer: int,
) -> Grounding:
    """Put passages into a conversation, fewer where not all of them fit the model's context.

    Args:
        visit: The request.
        grounder: Where they are found.
        served: The model that will read them.
        messages: The conversation.
        asked: How many passages, and filters.
        answer: Tokens to leave for the answer.

    Raises:
        ParameterError, SourceError: As `Grounder.ground`.
    """
    wanted, filters = asked
    k = wanted
    while True:
        found = await in_thread(visit, partial(grounder.ground, messages, k=k, filters=filters))
        if not found.found or k == 1 or await in_thread(visit, partial(_fits, served, found.messages, answer)):
            break
        k = max(1, min(k, len(found.citations)) // 2)
    if k < wanted and found.found:
        shown = "1 passage" if len(found.citations) == 1 else f"{len(found.citations)} passages"
        note = f"{shown}: more do not fit the context of {served.context} tokens"
        found = replace(found, notes=(*found.notes, note))
    visit.passages = tuple(str(one["row_id"]) for one in found.citations if "row_id" in one)
    return found


def _fits(served: ServedModel, messages: Sequence[Mapping[str, Any]], answer: int) -> bool:
    return len(served.chat_ids(messages)) + answer <= served.context


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
