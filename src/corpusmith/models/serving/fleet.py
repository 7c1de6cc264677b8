"""Which open version answers: follows the registry's alias and the endpoint's canary, without losing a request.

Every half second the wish is read. A version that is wanted is opened beside the one that answers, must answer a
greeting, and is switched to only if, read again, it is still wanted. The old one is closed when the last request that
was lent it has given it back. A version that does not open, or does not answer, is never switched to: its trouble is
reported, the old one goes on, and it is tried again later. Nothing is kept of all this: a server that is started again
reads the wish and serves exactly that.

At most two versions are open, three while a canary runs; one that is not yet closed counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from corpusmith.core.errors import CorpusmithError, NotFoundError, PreconditionError
from corpusmith.models.serving.contract import ANYONE, Asked, ServedModel
from corpusmith.models.serving.health import check_health
from corpusmith.models.serving.tally import Tally

POLL_S = 0.5
RETRY_S = 30.0
_MOST_RETRY_S = 600.0
_GOLDEN = 0.6180339887498949
_log = logging.getLogger(__name__)

Open = Callable[[str], Awaitable[ServedModel]]
Tell = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Wish:
    """What is to be served.

    Attributes:
        champion: Version that answers, `name@version` or an artifact id.
        canary: Version that gets a share, if any.
        share: That share, 0 to 1.
        generation: The endpoint's, of which this is the wish.
    """

    champion: str
    canary: str | None = None
    share: float = 0.0
    generation: int = 0


class Source(Protocol):
    """Where the wish is read. Called in a thread."""

    def read(self) -> Wish:
        """The wish of now.

        Raises:
            CorpusmithError: It cannot be told; what is served stays.
        """
        ...


@dataclass(frozen=True)
class FleetState:
    """What answers now: see `store.endpoints.Replica`, which has the same words.

    `answering` and `waiting` are answers in the making and requests that wait, over every open version that tells.
    """

    version: str | None
    canary: str | None
    share: float
    generation: int
    troubles: Mapping[str, str]
    counts: Mapping[str, Mapping[str, float]]
    open: tuple[str, ...]
    answering: int = 0
    waiting: int = 0


@dataclass
class _Side:
    """An open version. `retired`: nobody new is sent to it."""

    ref: str
    model: ServedModel
    leases: int = 0
    retired: bool = False
    tally: Tally = field(default_factory=Tally)


@dataclass
class _Trouble:
    """Why a version is not served, and when it is tried again."""

    why: str
    tries: int
    until: float


class FollowingFleet:
    """A `contract.Fleet` of one name."""

    def __init__(
        self,
        name: str,
        source: Source,
        open_version: Open,
        *,
        check: Callable[[ServedModel], Awaitable[None]] = check_health,
        tell: Tell = lambda _kind, _evidence: None,
        poll_s: float = POLL_S,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet; `start` does.

        Args:
            name: The name that follows the wish.
            source: Where the wish is read.
            open_version: Opens a version; may take long, must not block the loop.
            check: Raises when an open version does not answer.
            tell: Told of every switch and every trouble; must not block.
            poll_s: Seconds between two looks at the wish.
            retry_s: Seconds until a version in trouble is tried again; doubles each time.
            clock: Monotonic seconds.
        """
        self.name = name
        self._source, self._open, self._check, self._tell = source, open_version, check, tell
        self._poll_s, self._retry_s, self._clock = poll_s, retry_s, clock
        self._sides: dict[str, _Side] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._champion: _Side | None = None
        self._canary: _Side | None = None
        self._share, self._generation, self._turn = 0.0, 0, 0.0
        self._troubles: dict[str, _Trouble] = {}
        self._blind: str | None = None
        self._task: asyncio.Task[None] | None = None

    # -- the contract --------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The name, and the versions that may be asked for by themselves."""
        sides = [side.ref for side in (self._champion, self._canary) if side is not None and side.ref != self.name]
        return [self.name, *sides]

    @asynccontextmanager
    async def lend(self, name: str, caller: str) -> AsyncIterator[ServedModel]:
        """See `contract.Fleet.lend`."""
        side = self._pick(name, caller)
        side.leases += 1
        try:
            yield side.model
        finally:
            side.leases -= 1
            self._close_if_done(side)

    def _pick(self, name: str, caller: str) -> _Side:
        champion, canary = self._champion, self._canary
        if name == self.name and champion is not None:
            return canary if canary is not None and self._draws_canary(canary.ref, caller) else champion
        for side in (champion, canary):
            if side is not None and side.ref == name:
                return side
        raise NotFoundError(f"no model {name!r} is served here", hint=f"There are: {', '.join(self.names())}.")

    def _draws_canary(self, ref: str, caller: str) -> bool:
        if (
            caller == ANYONE
        ):  # spread evenly: of any n requests in a row, the canary gets its share to within one or two
            self._turn = (self._turn + _GOLDEN) % 1.0
            return self._turn < self._share
        drawn = hashlib.sha256(f"{ref}\0{caller}".encode()).digest()[:8]
        return int.from_bytes(drawn, "big") / 2**64 < self._share

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open what is wanted now, and follow it from here on.

        Raises:
            PreconditionError: The version that is wanted cannot be served.
            CorpusmithError: The wish cannot be read.
        """
        wish = await asyncio.to_thread(self._source.read)
        while await self._step():
            pass
        if self._champion is None:
            trouble = self._troubles.get(wish.champion)
            why = trouble.why if trouble else self._blind or "it is no longer wanted"
            raise PreconditionError(f"{wish.champion} cannot be served: {why}", hint="See `corpusmith model show`.")
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Follow no more, and let go of every model; what is still lent loses its model."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._champion = self._canary = None
        for side in list(self._sides.values()):
            side.retired, side.leases = True, 0
            self._close_if_done(side)
        if self._closing:
            await asyncio.gather(*self._closing)

    async def _follow(self) -> None:
        while True:
            if not await self._step():
                await asyncio.sleep(self._poll_s)

    async def _step(self) -> bool:
        """Look at the wish once; True = something was opened, look again before anybody is sent to it."""
        try:
            wish = await asyncio.to_thread(self._source.read)
        except Exception as error:  # noqa: BLE001 - whatever ails the registry, what is served stays
            if self._blind is None:
                _log.warning("the registry cannot be read, what is served stays: %s", error)
            self._blind = _why(error)
            return False
        self._blind = None
        self._settle(wish)
        for ref in (wish.champion, wish.canary):
            if ref is not None and self._may_open(ref, most=3 if wish.canary else 2) and await self._try(ref):
                return True
        return False

    def _settle(self, wish: Wish) -> None:
        """Switch to what is wanted and open; send nobody new to the rest."""
        before = self._champion
        self._champion = self._sides.get(wish.champion, before)
        canary = None if wish.canary in (None, wish.champion) else self._sides.get(wish.canary or "")
        self._canary = None if canary is self._champion else canary
        self._share = wish.share if self._canary is not None else 0.0
        for side in list(self._sides.values()):
            side.retired = side is not self._champion and side is not self._canary
            self._close_if_done(side)
        self._troubles = {ref: t for ref, t in self._troubles.items() if ref in (wish.champion, wish.canary)}
        if self._champion is not before and self._champion is not None:
            self._tell("switched", {"from": before.ref if before else None, "to": self._champion.ref})
        champion_right = self._champion is not None and self._champion.ref == wish.champion
        if champion_right and (wish.canary in (None, wish.champion) or self._canary is not None):
            self._generation = wish.generation

    def _may_open(self, ref: str, most: int) -> bool:
        trouble = self._troubles.get(ref)
        waits = trouble is not None and self._clock() < trouble.until
        return ref not in self._sides and not waits and len(self._sides) + len(self._closing) < most

    async def _try(self, ref: str) -> bool:
        """Open a version and see whether it answers."""
        model = None
        try:
            model = await self._open(ref)
            await self._check(model)
        except Exception as error:  # noqa: BLE001 - whatever ails a new version, the old one goes on
            if model is not None:
                await self._let_go(model)
            tries, why = 1 + (self._troubles[ref].tries if ref in self._troubles else 0), _why(error)
            wait = min(_MOST_RETRY_S, self._retry_s * 2 ** (tries - 1))
            self._troubles[ref] = _Trouble(why, tries, self._clock() + wait)
            self._tell("refused", {"version": ref, "why": why, "tries": tries})
            _log.warning("%s is not switched to: %s", ref, why)
            return False
        except asyncio.CancelledError:
            if model is not None:
                await self._let_go(model)
            raise
        self._troubles.pop(ref, None)
        self._sides[ref] = _Side(ref, model)
        return True

    def _close_if_done(self, side: _Side) -> None:
        if side.retired and side.leases <= 0 and self._sides.get(side.ref) is side:
            del self._sides[side.ref]
            task = asyncio.create_task(self._let_go(side.model))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _let_go(self, model: ServedModel) -> None:
        try:
            await model.close()
        except Exception:  # noqa: BLE001 - a model that does not close must not end the following
            _log.exception("%s did not close", model.ref)

    # -- what is told --------------------------------------------------------------------------------------------------

    def count(self, asked: Asked) -> None:
        """Take note of a request that a version answered."""
        if asked.version in self._sides:
            self._sides[asked.version].tally.add(asked)

    def is_canary(self, version: str) -> bool:
        """Whether the version is the canary now."""
        return self._canary is not None and self._canary.ref == version

    def state(self) -> FleetState:
        """What answers now."""
        loads = [getattr(side.model, "load", (0, 0)) for side in self._sides.values()]
        return FleetState(
            version=self._champion.ref if self._champion else None,
            canary=self._canary.ref if self._canary else None,
            share=self._share,
            generation=self._generation,
            troubles={ref: trouble.why for ref, trouble in self._troubles.items()},
            counts={ref: side.tally.figures() for ref, side in self._sides.items()},
            open=tuple(self._sides),
            answering=sum(load[0] for load in loads),
            waiting=sum(load[1] for load in loads),
        )


def _why(error: Exception) -> str:
    return error.message if isinstance(error, CorpusmithError) else f"{type(error).__name__}: {error}"
