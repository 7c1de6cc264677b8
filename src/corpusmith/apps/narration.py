"""Tells a run while it happens: a reader of the decision log's events that turns the ones a person cares about into
lines. Steps that only try something on a sample are not told; the decision they lead to is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpusmith.agent.findings import AS_SEEN, FOUND
from corpusmith.agent.modelling.handover import TOLD
from corpusmith.apps.progress import Progress
from corpusmith.core.events import Event, EventKind
from corpusmith.store.eventlog import EventLog
from corpusmith.tools.ingest import NOT_READ

_WORDS = {"stop": "enough"}


class Narrator:
    """Tells events through a progress display."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rows: dict[str, tuple[int, int]] = {}

    def tell(self, event: Event) -> None:
        """Say what an event means to the person, when it means something."""
        data = event.data
        if event.kind == "brief":
            if data.get("key") != AS_SEEN:
                self._brief(data["brief"])
        elif event.kind == "step_started":
            self._progress.doing(data["tool"])
        elif event.kind == "step_finished" and "artifact" in data:
            self._finished(data)
        elif event.kind == "decision":
            self._decision(data["decision"])
        elif event.kind == "measured":
            self._measured(data)
        elif event.kind == "note" and data.get("key", "").startswith(("guard ", f"ingest {NOT_READ}")):
            self._progress.line(f"         {data['text']}")
        elif event.kind == "note" and data.get("key", "").startswith(FOUND):
            self._progress.line(f"found    {data['text']}")
        elif event.kind == "note" and data.get("key", "").startswith(TOLD):
            self._progress.line(f"         {data['text']}")
        elif event.kind == "approval" and data["state"] != "asked":
            self._progress.line(f"         {data['action']} {data['state']} by {data['by']}")

    def _brief(self, brief: dict[str, Any]) -> None:
        for phrase in brief["not_understood"]:
            self._progress.line(f"not understood: {phrase}")
        read = [*brief["sources"], *brief["decontaminate_against"], *brief.get("grounded_in", ())]
        self._progress.line(f"reading  {', '.join(read)}")

    def _finished(self, data: dict[str, Any]) -> None:
        self._rows[data["artifact"]] = (data["rows_in"], data["rows_out"])
        if data["tool"] == "ingest":
            aside = data["counts"]["dropped"].get("unreadable", 0)
            kept_aside = f", {aside:,} records kept aside as unreadable" if aside else ""
            self._progress.line(f"         {data['rows_out']:,} rows{kept_aside}")

    def _decision(self, decision: dict[str, Any]) -> None:
        reason = decision["why"].split("; known harm:")[0]
        chosen = _WORDS.get(decision["chosen"], decision["chosen"])
        self._progress.line(f"turn {decision['turn']:<3} {chosen}: {reason}")

    def _measured(self, data: dict[str, Any]) -> None:
        verdict = "kept" if data["kept"] else "rolled back"
        before, after = self._rows.get(data["artifact"], (0, 0))
        rows = f" ({before:,} -> {after:,} rows)" if after and before != after else ""
        self._progress.line(f"         {verdict}: {data['outcome']}{rows}")


class ToldLog(EventLog):
    """A decision log whose new events are told as they are written; a resumed run tells nothing twice."""

    def __init__(self, folder: Path, run_id: str, narrator: Narrator) -> None:
        super().__init__(folder, run_id)
        self._narrator = narrator

    def append(self, kind: EventKind, **data: Any) -> Event:
        """Write one event, then tell it."""
        event = super().append(kind, **data)
        self._narrator.tell(event)
        return event
