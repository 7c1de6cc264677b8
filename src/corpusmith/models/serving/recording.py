"""Tells everyone who wants to know of a finished request, without holding up the next one.

What only counts in memory is told at once; what writes is told by a thread, through a queue that has an end: when it is
full, records are dropped and counted, never waited for.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from corpusmith.models.serving.contract import Asked

Sink = Callable[[Asked], None]
_log = logging.getLogger(__name__)


class Recording:
    """A `contract.Recorder` that passes requests on."""

    def __init__(self, at_once: Sequence[Sink], later: Sequence[Sink], capacity: int = 10_000) -> None:
        """Start the thread.

        Args:
            at_once: Called on the loop: must not block.
            later: Called on the thread.
            capacity: Records that may wait for the thread.
        """
        self._at_once, self._later = tuple(at_once), tuple(later)
        self._queue: queue.Queue[Asked | None] = queue.Queue(capacity)
        self._failed: set[Sink] = set()
        self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="recording", daemon=True)
        self._thread.start()

    def record(self, asked: Asked) -> None:
        """See `contract.Recorder.record`."""
        for sink in self._at_once:
            self._tell(sink, asked)
        try:
            self._queue.put_nowait(asked)
        except queue.Full:
            self.dropped += 1

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits, then end the thread."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            for sink in self._later:
                self._tell(sink, asked)

    def _tell(self, sink: Sink, asked: Asked) -> None:
        try:
            sink(asked)
        except Exception:  # noqa: BLE001 - whoever wants to know of a request must not be able to end it
            if sink not in self._failed:
                self._failed.add(sink)
                _log.exception("a request could not be recorded; further failures of this kind are not told")
