"""What the report shows of a model: the trials, the curve of the one that was chosen, whom it was measured against."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from corpusmith.core.errors import NotFoundError
from corpusmith.store.workspace import Workspace

LABELS = {"candidate": "the model", "base": "its base", "few_shot": "its base, prompted with examples"}
MOST_COLUMNS = 6
WIDTH, HEIGHT = 640, 200
"""Of the curve's drawing, in units of its view box."""


@dataclass(frozen=True)
class Line:
    """One line of a curve: its name and the points of an SVG polyline."""

    name: str
    points: str


@dataclass(frozen=True)
class Curve:
    """The loss over the steps.

    Attributes:
        lines: Training and holdout loss.
        low: Smallest loss shown.
        high: Largest.
        last: Last step.
    """

    lines: tuple[Line, ...]
    low: float
    high: float
    last: int


def model_section(workspace: Workspace, outcome: dict[str, Any]) -> dict[str, Any] | None:
    """Everything the template needs, None where the run made no model, no ablation and no index."""
    model = outcome.get("model")
    if not model or not (model["trials"] or model["evaluation"] or model["ablation"] or model.get("index")):
        return None
    training = _side_file(workspace, model.get("artifact"), "train.json")
    preflight = _side_file(workspace, model.get("artifact"), "preflight.json")
    return {
        "said": model,
        "curve": None if training is None else curve_of(training.get("curve", [])),
        "training": training,
        "facts": training_facts(training),
        "examples": (preflight or {}).get("examples", [])[:3],
        "rivals": rivals_of(_side_file(workspace, model["evaluation"], "report.json")),
    }


@dataclass(frozen=True)
class Rivals:
    """The contestants of an evaluation, as a table.

    Attributes:
        rows: Rows they were measured on.
        columns: Metrics, the one that gains are measured on first.
        lines: Label, a value per column, and the model's gain over it (value, low, high) or None.
    """

    rows: int
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[float | None, ...], dict[str, float | None] | None], ...]


def rivals_of(report: dict[str, Any] | None) -> Rivals | None:
    """The table of an evaluation's report; None where there is none."""
    if report is None:
        return None
    contestants = report["contestants"]
    measured: dict[str, Any] = next((one["metrics"] for one in contestants if one["role"] == "candidate"), {})
    columns = (report["primary"], *(name for name in measured if name != report["primary"]))[:MOST_COLUMNS]
    lines = []
    for one in contestants:
        label = LABELS.get(one["role"], f"{one['role']}: {one['name']}")
        values = tuple((one["metrics"].get(name) or {}).get("value") for name in columns)
        plain = one["role"] == "plain"
        shown = not plain or one["name"] == report.get("best_plain")
        lines.append((label, values, report["gains"].get(one["role"]) if shown else None))
    return Rivals(report["rows"], columns, tuple(lines))


def _side_file(workspace: Workspace, artifact: str | None, name: str) -> dict[str, Any] | None:
    if not artifact:
        return None
    try:
        loaded: dict[str, Any] = json.loads(workspace.artifacts.open(artifact).file(name).read_bytes())
    except NotFoundError:
        return None
    return loaded


def curve_of(points: list[dict[str, Any]]) -> Curve | None:
    """The loss curve as lines to draw; None where fewer than two points are finite."""
    series = {
        name: [(p["step"], p[key]) for p in points if p.get(key) is not None and math.isfinite(p[key])]
        for name, key in (("training", "loss"), ("held out", "holdout_loss"))
    }
    every = [loss for found in series.values() for _, loss in found]
    last = max((step for found in series.values() for step, _ in found), default=0)
    if len(every) < 2 or last == 0:
        return None
    low, high = min(every), max(every)
    span = high - low or 1.0

    def draw(found: list[tuple[int, float]]) -> str:
        return " ".join(f"{WIDTH * x / last:.1f},{HEIGHT - HEIGHT * (y - low) / span:.1f}" for x, y in found)

    lines = tuple(Line(name, draw(found)) for name, found in series.items() if len(found) > 1)
    return Curve(lines, low, high, last)


def training_facts(training: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What a training cost, as names and values for a person; a provider tells fewer of them."""
    if training is None:
        return []

    def told(key: str, form: str = ",", unit: str = "") -> str | None:
        value = training.get(key)
        return None if value is None else f"{value:{form}}{unit}"

    peak = training.get("peak_memory_bytes")
    facts = [
        ("Steps", told("steps")),
        ("Tokens seen", told("tokens")),
        ("with loss", told("loss_tokens")),
        ("Tokens per second", told("tokens_per_s", ",.0f")),
        ("MFU", "no peak is known" if training.get("mfu", 0) is None else told("mfu", ".1%")),
        ("Peak memory", None if peak is None else f"{peak / 2**20:,.0f} MiB"),
        ("Seconds", told("seconds", ",.1f")),
        ("Workers", told("workers")),
        ("Job at the provider", told("job", "")),
        ("Billed", told("usd", ",.2f", " USD")),
        ("Restarts", told("restarts") if training.get("restarts") else None),
    ]
    return [(name, value) for name, value in facts if value is not None]
