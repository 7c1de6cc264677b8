"""Collects what a report shows and fills its template. All text is escaped by the template engine."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from corpusmith.core.errors import NotFoundError
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import write_atomic
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.reporting.charts import Chart, bars, histogram, paired_bars
from corpusmith.workflows.reporting.charts import path as chart_path
from corpusmith.workflows.reporting.model import model_section
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
    path = [workspace.artifacts.open(record.id) for record in story.path]
    names = [story.name_of(record) for record in story.path]
    start, end = _figures(workspace, story.profile_start), _figures(workspace, story.profile_end)
    return _template().render(
        story=story,
        outcome=story.outcome,
        gates=story.outcome.get("gates", []),
        model=model_section(workspace, story.outcome),
        path=[_step(name, data) for name, data in zip(names, path, strict=True)],
        walk=chart_path("Rows after each step", [(n, d.record.rows) for n, d in zip(names, path, strict=True)]),
        charts=charts(path, start, end),
        corpus=corpus_facts(start, end),
        dropped=dropped_samples(path),
        changed=changed_samples(path),
        spent=story.outcome.get("spent", {}),
        seconds=sum(record.seconds for record in story.path),
        wall_s=story.events[-1].time - story.events[0].time if story.events else 0.0,
        made=time.time(),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    """The report's template, compiled once a process: a run writes its report more than once."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "figure": figure,
        "when": when,
        "short": lambda text: str(text)[:12],
        "clip": clip,
        "breakable": breakable,
    }
    return environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))


def _figures(workspace: Workspace, profile: str | None) -> dict[str, Any]:
    if profile is None:
        return {}
    try:
        loaded: dict[str, Any] = json.loads(workspace.artifacts.open(profile).file("figures.json").read_text())
    except NotFoundError:
        return {}
    return loaded


def _step(name: str, data: StoredDataset) -> dict[str, Any]:
    record = data.record
    return {
        "name": name,
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
    """Every figure the run has data for; an empty one is left out."""
    dropped: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for data in path:
        dropped.update(data.record.counts.dropped)
        changed.update(data.record.counts.changed)
    out = [bars("Rows dropped, by rule", dropped, loss=True), bars("Rows changed, by rule", changed)]
    if start.get("lengths") and end.get("lengths"):
        out.append(histogram("Length in words", start["lengths"]["words"], end["lengths"]["words"]))
    for key, title in (
        ("languages", "Languages (rows)"),
        ("rules", "Quality rules broken (rows)"),
        ("pii", "Personal data (rows)"),
        ("duplicates", "Duplicates (rows)"),
        ("sources", "Rows per source"),
    ):
        out.append(paired_bars(title, _counts(start.get(key)), _counts(end.get(key))))
    if start.get("duplicates") and end.get("duplicates"):
        alike = (start["duplicates"]["similarity"], end["duplicates"]["similarity"])
        out.append(histogram("Similarity of near-duplicates", *alike))
    return [chart for chart in out if chart.bars]


def corpus_facts(start: dict[str, Any], end: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What the corpus is, before and after: name and two values."""
    wanted = (
        ("Rows", ("rows",)),
        ("Sources", ("source_count",)),
        ("Tokens (words and marks)", ("tokens", "total")),
        ("Different tokens", ("tokens", "unique")),
        ("Tokens per row, median", ("lengths", "tokens", "median")),
        ("Tokens per row, longest", ("lengths", "tokens", "max")),
        ("Sequence length that wastes least", ("sequence_length", "recommended")),
    )
    found = [(name, _at(start, keys), _at(end, keys)) for name, keys in wanted]
    return [(name, old, new) for name, old, new in found if old is not None or new is not None]


def _at(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _counts(found: dict[str, Any] | None) -> dict[str, int]:
    return {name: count for name, count in (found or {}).items() if isinstance(count, int)}


def clip(text: Any, most: int) -> str:
    """A text of at most `most` characters."""
    whole = str(text)
    return whole if len(whole) <= most else whole[: most - 1].rstrip() + "…"


def breakable(name: str) -> Markup:
    """A name with underscores and dots, escaped, that a browser may break after them."""
    pieces = (escape(piece) for piece in re.split(r"(?<=[_./])", name))
    return Markup("<wbr>").join(pieces)


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
