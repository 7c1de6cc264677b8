"""Traces of served calls: written to a spool in the workspace at once, sent to Opik by a thread of its own.

A server of traces that is away delays nothing and loses nothing: what waits stays in the spool and is sent by a later
export, of this process, of the next one or of `corpusmith trace export`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from corpusmith.core.errors import CorpusmithError
from corpusmith.models.serving.access_log import line_of
from corpusmith.models.serving.contract import Asked
from corpusmith.telemetry.call_export import export_calls
from corpusmith.telemetry.call_spool import CallSpool
from corpusmith.telemetry.opik_settings import OpikSettings

EVERY_S = 5.0
_UNTRACED = ("/healthz", "/metrics", "/v1/models", "/openapi.json")
_log = logging.getLogger(__name__)


class CallTracing:
    """Keeps calls and sends them."""

    def __init__(
        self,
        folder: Path,
        replica: str,
        settings: OpikSettings,
        *,
        redact: Callable[[str], str] | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        """Begin.

        Args:
            folder: The spool.
            replica: Names this process.
            settings: Where traces go; no url = they are kept and not sent.
            redact: Applied to every string that is written or sent.
            every_s: Seconds between two exports.
        """
        self._folder, self._settings, self._redact = folder, settings, redact
        self._spool = CallSpool(folder, replica)
        self._over = threading.Event()
        self._told: str | None = None
        self._every_s = every_s
        self._thread = threading.Thread(target=self._work, name="tracing", daemon=True)
        self._thread.start()

    def take(self, asked: Asked) -> None:
        """Keep a call. What a caller wants redacted is not in it, whatever is traced otherwise."""
        if not asked.route.startswith(_UNTRACED):
            self._spool.append({**line_of(asked, prompts=True), "time": time.time()})

    def close(self, timeout_s: float = 10.0) -> None:
        """Send once more, for as long as that may take, then leave the rest in the spool."""
        self._spool.close()
        self._over.set()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._over.wait(self._every_s):
            self._export()
        self._export()

    def _export(self) -> None:
        try:
            error = export_calls(self._folder, self._settings, redact=self._redact).error
        except (CorpusmithError, OSError) as failure:
            error = str(failure)
        if error != self._told and error is not None:
            _log.warning("traces wait in %s: %s", self._folder.name, error)
        self._told = error
