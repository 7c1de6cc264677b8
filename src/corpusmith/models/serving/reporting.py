"""What a serving process says of itself in the endpoint's record, and the events it adds to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from corpusmith.core.errors import WorkspaceError
from corpusmith.models.serving.fleet import FleetState
from corpusmith.store.endpoints import Endpoints, Replica, ReplicaState

HEARTBEAT_S = 2.0
_log = logging.getLogger(__name__)


class Reporter:
    """Writes a replica's row when something changed, and every two seconds."""

    def __init__(self, endpoints: Endpoints, replica: Replica) -> None:
        """Write the row for the first time; rows of processes that are over go.

        Raises:
            WorkspaceError: The ledger cannot be written.
        """
        self._endpoints, self._replica = endpoints, replica
        self._events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=1000)
        self._written = 0.0
        endpoints.clear(replica.endpoint)
        endpoints.report(replica)

    def tell(self, kind: str, evidence: Mapping[str, Any]) -> None:
        """Remember an event, to be written by the next `beat`."""
        self._events.append((kind, {**evidence, "replica": self._replica.id}))

    def beat(self, state: ReplicaState, fleet: FleetState | None) -> None:
        """Write what changed. Blocks: call it in a thread, one at a time. A ledger that is away is tried again."""
        changes: dict[str, Any] = {"state": state}
        if fleet is not None:
            changes |= {
                "version": fleet.version, "canary": fleet.canary, "generation": fleet.generation,
                "troubles": dict(fleet.troubles), "counts": {ref: dict(said) for ref, said in fleet.counts.items()},
            }  # fmt: skip
        now = time.time()
        replica = self._replica.model_copy(update=changes)
        urgent = replica.model_dump(exclude={"counts"}) != self._replica.model_dump(exclude={"counts"})
        try:
            if urgent or now - self._written >= HEARTBEAT_S:
                self._endpoints.report(replica.model_copy(update={"heartbeat": now}))
                self._replica, self._written = replica, now
            while self._events:
                self._endpoints.tell(self._replica.endpoint, *self._events[0])
                self._events.popleft()
        except WorkspaceError as error:
            _log.warning("the endpoint's record cannot be written: %s", error.message)

    async def keep_beating(self, state: Callable[[], tuple[ReplicaState, FleetState | None]], every_s: float) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.to_thread(self.beat, *state())
            await asyncio.sleep(every_s)
