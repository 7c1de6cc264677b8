"""The plainest fleet, gatekeeper and recorder: fixed models, everybody let in, records in a list; for trials, tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from corpusmith.core.errors import NotFoundError
from corpusmith.models.serving.contract import ANYONE, Asked, Caller, ServedModel


class FixedFleet:
    """The same models for ever, by name.

    Attributes:
        lent: Models that are lent now.
    """

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models, self.lent = dict(models), 0

    def names(self) -> list[str]:
        """Names that a request may ask for."""
        return list(self._models)

    @asynccontextmanager
    async def lend(self, name: str, caller: str) -> AsyncIterator[ServedModel]:  # noqa: ARG002
        """See `contract.Fleet.lend`."""
        if name not in self._models:
            raise NotFoundError(f"no model {name!r} is served here", hint=f"There are: {', '.join(self._models)}.")
        self.lent += 1
        try:
            yield self._models[name]
        finally:
            self.lent -= 1


class OpenGate:
    """Lets everybody in, and counts what they spend."""

    def __init__(self) -> None:
        self.spent = 0

    def admit(self, headers: Mapping[str, str]) -> Caller:  # noqa: ARG002
        """See `contract.Gatekeeper.admit`."""
        return Caller(ANYONE)

    def spend(self, caller: Caller, tokens: int) -> None:  # noqa: ARG002
        """See `contract.Gatekeeper.spend`."""
        self.spent += tokens


class Listed:
    """Keeps every record."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def record(self, asked: Asked) -> None:
        """See `contract.Recorder.record`."""
        self.asked.append(asked)
