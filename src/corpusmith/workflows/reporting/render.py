"""Collects what a report shows and fills its template. All text is escaped by the template engine."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from corpusmith.core.errors import NotFoundError
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import write_atomic
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.reporting.charts import Chart, bars, histogram, paired_bars, waterfall
from corpusmith.workflows.reporting.samples import changed_samples, dropped_samples
from corpusmith.workflows.story import RunStory, load_story


def write_report(workspace: Workspace, run_id: str, path: Path) -> None:
    """Write the report of a run, as far as the run has come.

    Raises:
        NotFoundError: There is no such run.
    """
    story = load_story(workspace, run_id)
    write_atomic(path, render(workspace, story).encode())


def render(workspace: Workspace, story: RunStory) -> str:
    """The report as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": figure, "when": when, "short": lambda text: str(text)[:12]}
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    path = [workspace.artifacts.open(record.id) for record in story.path]
    start, end = _figures(workspace, story.profile_start), _figures(workspace, story.profile_end)
    return template.render(
        story=story,
        outcome=story.outcome,
        gates=story.outcome.get("gates", []),
        path=[_step(data) for data in path],
        charts=charts(path, start, end),
        dropped=dropped_samples(path),
        changed=changed_samples(path),
        spent=story.outcome.get("spent", {}),
        seconds=sum(record.seconds for record in story.path),
        made=time.time(),
    )


def _figures(workspace: Workspace, profile: str | None) -> dict[str, Any]:
    if profile is None:
        return {}
    try:
        loaded: dict[str, Any] = json.loads(workspace.artifacts.open(profile).file("figures.json").read_text())
    except NotFoundError:
        return {}
    return loaded


def _step(data: StoredDataset) -> dict[str, Any]:
    record = data.record
    return {
        "tool": record.tool,
        "id": record.id,
        "rows": record.rows,
        "seconds": record.seconds,
        "digest": record.content_digest or "",
        "dropped": sum(record.counts.dropped.values()),
        "changed": sum(record.counts.changed.values()),
        "params": json.dumps(record.params, ensure_ascii=False),
    }


def charts(path: list[StoredDataset], start: dict[str, Any], end: dict[str, Any]) -> list[Chart]:
    """Every figure the run has data for."""
    out = [waterfall("Rows after each step", [(d.record.tool, d.record.rows) for d in path])]
    dropped: dict[str, int] = {}
    changed: dict[str, int] = {}
    for data in path:
        for rule, n in data.record.counts.dropped.items():
            dropped[rule] = dropped.get(rule, 0) + n
        for rule, n in data.record.counts.changed.items():
            changed[rule] = changed.get(rule, 0) + n
    out += [bars("Rows dropped, by rule", dropped), bars("Rows changed, by rule", changed)]
    if start.get("lengths") and end.get("lengths"):
        out.append(histogram("Length in words", start["lengths"]["words"], end["lengths"]["words"]))
    for key, title in (
        ("languages", "Languages"),
        ("rules", "Quality rules broken (rows)"),
        ("pii", "Personal data (rows)"),
        ("duplicates", "Duplicates (rows)"),
        ("sources", "Rows per source"),
    ):
        if start.get(key) or end.get(key):
            out.append(paired_bars(title, _counts(start.get(key)), _counts(end.get(key))))
    return [chart for chart in out if chart.svg]


def _counts(found: dict[str, Any] | None) -> dict[str, int]:
    return {name: count for name, count in (found or {}).items() if isinstance(count, int)}


def figure(value: Any) -> str:
    """A number for a person; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, float) and value != int(value):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{int(value):,}"


def when(seconds: float) -> str:
    """A moment, UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
