"""What a model may set of a method, and what it may not.

A method's parameters come from the brief; a model may turn only the knobs named here. Without this, a tool's schema
would be the only bound, and `unicode-repair` with `lowercase: true` would do to the data what nobody asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from corpusmith.agent.goals import Goal
from corpusmith.agent.methods import CATALOGUE, Method
from corpusmith.agent.planner import View
from corpusmith.core.gates import Severity
from corpusmith.ops.quality import C4Quality, FineWebQuality, GopherQuality, GopherRepetition
from corpusmith.tools.registry import TOOLS

KNOBS: Mapping[str, tuple[str, ...]] = {
    "boilerplate-lines": ("boilerplate_min_share", "boilerplate_min_rows"),
    "gopher-repetition": ("thresholds",),
    "gopher-quality": ("thresholds",),
    "c4-page-rules": ("thresholds",),
    "fineweb-rules": ("thresholds",),
    "exact-dedup": ("keep",),
    "near-dedup-join": ("keep",),
    "repeated-instructions": ("keep",),
    "ngram-decontamination": ("ngram", "threshold"),
    "grounded-pairs": ("max_per_row",),
}
"""Parameters that are a matter of judgement, per method; all others are the brief's."""

_RULES: Mapping[str, GopherQuality | GopherRepetition | C4Quality | FineWebQuality] = {
    "gopher-repetition": GopherRepetition(),
    "gopher-quality": GopherQuality(),
    "c4-page-rules": C4Quality(),
    "fineweb-rules": FineWebQuality(),
}
_NGRAMS = {"max_top_ngram": 2, "max_dup_ngram": 5}
"""Fields that hold one threshold per n, and their first n."""


def complete(method: Method, given: Mapping[str, Any], view: View) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A model's parameters put onto the method's first setting.

    Returns:
        The whole parameters, and what speaks against them, each line starting with its type.
    """
    settings = [plain(setting) for setting in method.settings(view)]
    if not settings:
        return {}, (f"precondition: the brief gives {method.name} nothing to do",)
    knobs, base = KNOBS.get(method.name, ()), settings[0]
    stray = [name for name in given if name not in base and name not in knobs]
    fixed = [name for name in given if name not in (*knobs, *stray) and plain(given[name]) != base[name]]
    found = []
    if stray:
        may = ", ".join(knobs) or "none"
        found.append(f"bad_arguments: {method.name} has no parameter {_names(stray)} for you; you may set: {may}")
    if fixed:
        found.append(f"not_yours: the brief sets {_names(fixed)} of {method.name}; leave it out")
    found += _bad_thresholds(method, given.get("thresholds", {}))
    return {**base, **{name: plain(value) for name, value in given.items()}}, tuple(found)


def goal_of(method: Method, metric: str | None, view: View) -> tuple[str | None, tuple[str, ...]]:
    """The open goal that a proposal serves, and what speaks against it: a step for no open goal is never run."""
    names = [goal.name for goal in view.goals if goal.name in method.moves]
    if metric in names or (metric is not None and metric not in method.moves):  # the guard answers the second
        return metric, ()
    if metric is None and names:
        return names[0], ()
    return metric, (f"no_goal: {metric or method.name} is not open; open: {', '.join(g.name for g in view.goals)}",)


def too_early(method: Method, view: View) -> tuple[str, ...]:
    """Last things come last: while a must gate is open that a method was never tried for, they wait."""
    if "*" not in method.after:
        return ()
    waiting = untried(view, besides=method.moves)
    shown = "; ".join(f"{goal} ({', '.join(names)})" for goal, names in waiting.items())
    return (f"too_early: {method.name} comes after what was not tried yet: {shown}",) if waiting else ()


def untried(view: View, besides: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Open must gates that no turn was spent on, with the methods that could."""
    out = {}
    seen = {attempt.metric for attempt in view.attempts}
    goals: tuple[Goal, ...] = view.goals
    for goal in goals:
        if goal.gate is None or goal.gate.severity is not Severity.MUST or goal.name in seen or goal.name in besides:
            continue
        able = tuple(name for name, method in CATALOGUE.items() if goal.name in method.moves and usable(method, view))
        if able:
            out[goal.name] = able
    return out


def usable(method: Method, view: View) -> bool:
    """Whether the method can run at all on what is there."""
    return method.needs(view) and bool(method.settings(view)) and method.wish() is None


def knob_schemas(method: Method) -> dict[str, dict[str, Any]]:
    """JSON schema of each knob of a method, from its tool's parameters; of thresholds the rules and their defaults."""
    if method.name not in KNOBS:
        return {}
    properties = _properties(method.tool)
    shown = {}
    for name in KNOBS[method.name]:
        shown[name] = {key: value for key, value in properties[name].items() if key not in ("title", "default")}
        if name == "thresholds":
            shown[name] = {"type": "object", "rules": thresholds_of(method.name)}
    return shown


@cache
def _properties(tool: str) -> Mapping[str, Mapping[str, Any]]:
    properties: dict[str, dict[str, Any]] = TOOLS[tool].params.model_json_schema()["properties"]
    return properties


def thresholds_of(method: str) -> dict[str, float]:
    """The thresholds of a method's rules that a model may set, with their published values."""
    family = _RULES[method]
    out: dict[str, float] = {}
    for item in fields(family):
        value = getattr(family, item.name)
        if item.name in _NGRAMS:
            kind, first = item.name.split("_")[1], _NGRAMS[item.name]
            out |= {f"{kind}_{first + at}gram_char_frac": bound for at, bound in enumerate(value)}
        elif item.name.startswith(("min_", "max_")):
            out[item.name] = value
    return out


def _bad_thresholds(method: Method, given: Any) -> list[str]:
    if method.name not in _RULES:
        return []
    rules = list(thresholds_of(method.name))
    known = {*rules, *(re.sub("^(min|max)_", "", rule) for rule in rules)}
    if not isinstance(given, Mapping):
        return [f"bad_arguments: thresholds of {method.name} is an object, number or null by rule"]
    unknown = [name for name in given if name not in known]
    return [f"bad_arguments: {method.name} has no rule {_names(unknown)}; there are: {', '.join(rules)}"] * bool(
        unknown
    )


def plain(value: Any) -> Any:
    """A value as JSON gives it back, so that tuples equal lists."""
    return json.loads(json.dumps(value))


def _names(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:5])
