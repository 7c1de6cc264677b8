"""The story of a run, read from its decision log and its artifacts' records: what reports, `show` and reviews tell.

Works on a run at any moment: while it runs, after a crash, at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusmith.core.brief import Brief
from corpusmith.core.decisions import Decision
from corpusmith.core.events import Event
from corpusmith.store.eventlog import LOG_NAME, read_events
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.runs import RunRecord
from corpusmith.store.workspace import Workspace


@dataclass(frozen=True)
class RunStory:
    """One run, told.

    Attributes:
        run: Its record.
        brief: None before it was understood.
        decisions: In turn order, with what was measured.
        path: Records of the artifacts from the first ingest to the current data, in order: the kept path.
        methods: Per artifact id, the method of the catalogue that made it; absent for what only reads or measures.
        notes: What the run said about itself (sources, refusals).
        events: The whole log.
        profile_start: Artifact id of the profile of the data as it came in; `profile_end` of the current data.
    """

    run: RunRecord
    brief: Brief | None
    decisions: tuple[Decision, ...]
    path: tuple[ArtifactRecord, ...]
    methods: Mapping[str, str]
    notes: tuple[str, ...]
    events: tuple[Event, ...]
    profile_start: str | None
    profile_end: str | None

    def name_of(self, record: ArtifactRecord) -> str:
        """What a step is called: its method, or its tool where no decision stands behind it."""
        return self.methods.get(record.id, record.tool)

    @property
    def outcome(self) -> dict[str, Any]:
        """What the run ended with; empty before."""
        return self.run.outcome

    def as_json(self) -> dict[str, Any]:
        """The story as plain data."""
        return {
            "run_id": self.run.id,
            "request": self.run.request,
            "exit_status": self.run.exit_status,
            "brief": None if self.brief is None else self.brief.model_dump(mode="json"),
            "decisions": [decision.model_dump(mode="json") for decision in self.decisions],
            "path": [
                {
                    "artifact": r.id,
                    "tool": r.tool,
                    "method": self.name_of(r),
                    "rows": r.rows,
                    "counts": r.counts.model_dump(),
                }
                for r in self.path
            ],
            "notes": list(self.notes),
            "outcome": self.outcome,
        }

    def lines(self) -> list[str]:
        """The story for a terminal."""
        out = [f"run      {self.run.id}", f"request  {self.run.request}"]
        if self.brief is not None and self.brief.not_understood:
            out.append(f"not understood: {'; '.join(self.brief.not_understood)}")
        if self.brief is not None:
            out += [f"assumed  {line}" for line in self.brief.assumed]
        out += [f"note     {note}" for note in self.notes]
        for decision in self.decisions:
            out.append(f"\n{decision.id}      {decision.chosen}: {decision.why}")
            if decision.kept is not None:
                verdict = "kept" if decision.kept else "rolled back"
                expected = "" if decision.predicted is None else f" (predicted {decision.predicted:.4g})"
                out.append(f"         {verdict}: {decision.outcome}{expected}")
        out += ["", f"step     {'':22} {'rows':>10} {'dropped':>9} {'changes':>9}"] if self.path else []
        for record in self.path:
            dropped = sum(record.counts.dropped.values())
            changed = sum(record.counts.changed.values())
            out.append(f"         {self.name_of(record):22} {record.rows:>10,} {dropped:>9,} {changed:>9,}")
        out += [""] if self.outcome.get("gates") else []
        for gate in self.outcome.get("gates", []):
            value = "not measured" if gate["value"] is None else f"{gate['value']:.4g}"
            verdict = ("holds" if gate["passed"] else "FAILS") + ("" if gate["severity"] == "must" else " (should)")
            out.append(f"gate     {gate['metric']} {gate['op']} {gate['target']:g}: {value} {verdict}")
        if "dataset" in self.outcome:
            out += ["", f"dataset  {self.outcome['dataset']['ref']}: {self.outcome['dataset']['rows']:,} rows"]
            out.append(f"         {self.outcome['dataset']['path']}")
            out += _model_lines(self.outcome.get("model") or {})
        elif self.outcome.get("error"):
            out.append(f"error    {self.outcome['error']}")
        return out


def _model_lines(model: dict[str, Any]) -> list[str]:
    """The model of a run for a terminal."""
    trials = len(model.get("trials", ()))
    tried = "1 trial" if trials == 1 else f"{trials} trials"
    lines = [f"model    {model['ref']} on {model['base']}, {tried}"] if model.get("ref") else []
    said = (
        model.get("first_line"),
        model.get("ablation_line"),
        model.get("index_line"),
        f"live at {model['endpoint']}" if model.get("endpoint") else "",
        *(f"not promoted: {w}" for w in model.get("refused", ())),
    )
    answers = model.get("answers")
    more = [f"answers  {answers['ref']}: {answers['rows']:,} rows"] if answers else []
    return [*lines, *(f"         {line}" for line in said if line), *more]


def load_story(workspace: Workspace, run_id: str) -> RunStory:
    """Read the story of a run.

    Raises:
        NotFoundError: There is no such run.
    """
    run = workspace.runs.get(run_id)
    events = tuple(read_events(workspace.runs.folder(run.id) / LOG_NAME))
    brief, notes = None, []
    decisions: dict[str, Decision] = {}
    methods: dict[str, str] = {}
    data: str | None = run.dataset
    profiles: list[tuple[str, str]] = []
    for event in events:
        if event.kind == "brief":
            brief = Brief.model_validate(event.data["brief"])
        elif event.kind == "note":
            notes.append(event.data["text"])
        elif event.kind == "decision":
            decision = Decision.model_validate(event.data["decision"])
            decisions[decision.id] = decision
            data = data or event.data["data"]
        elif event.kind == "measured":
            found = decisions[event.data["decision"]]
            decisions[found.id] = found.model_copy(update={k: event.data[k] for k in ("measured", "kept", "outcome")})
            if event.data["artifact"]:
                methods[event.data["artifact"]] = found.chosen
            if event.data["kept"] and run.dataset is None and _is_dataset(workspace, event.data["artifact"]):
                data = event.data["artifact"]
        elif event.kind == "step_finished" and event.data["tool"] == "profile" and "artifact" in event.data:
            record = workspace.artifacts.find(event.data["artifact"])
            if record is not None:
                profiles.append((record.inputs.get("data", ""), record.id))
    path = _path(workspace, data)
    first = path[0].id if path else None
    return RunStory(
        run=run,
        brief=brief,
        decisions=tuple(decisions.values()),
        path=path,
        methods=methods,
        notes=tuple(notes),
        events=events,
        profile_start=next((p for d, p in profiles if d == first), None),
        profile_end=next((p for d, p in reversed(profiles) if d == data), None),
    )


def _is_dataset(workspace: Workspace, artifact: str) -> bool:
    record = workspace.artifacts.find(artifact)
    return record is not None and record.kind == "dataset"


def _path(workspace: Workspace, artifact: str | None) -> tuple[ArtifactRecord, ...]:
    path = []
    while artifact is not None:
        record = workspace.artifacts.open(artifact).record
        path.append(record)
        artifact = record.inputs.get("data")
    return tuple(reversed(path))
