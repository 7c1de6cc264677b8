"""Commands on single tools: list, schema, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from corpusmith.apps.commands.runs import open_app
from corpusmith.apps.output import boundary, show, show_json, table
from corpusmith.core.errors import ParameterError
from corpusmith.tools.registry import TOOLS, tool


def list_tools(as_json: bool) -> None:
    """`corpusmith tool list`."""
    if as_json:
        show_json({"tools": [_plain(name) for name in TOOLS]})
        return
    rows = [(t.name, t.kind, ", ".join(t.inputs) or "-", t.summary) for t in TOOLS.values()]
    show(table(("tool", "kind", "inputs", "what it does"), rows))


def _plain(name: str) -> dict[str, Any]:
    entry = TOOLS[name]
    return {
        "name": name,
        "version": entry.version,
        "kind": entry.kind,
        "inputs": list(entry.inputs),
        "effects": sorted(entry.effects),
        "summary": entry.summary,
    }


def schema(name: str) -> None:
    """`corpusmith tool schema`."""
    with boundary(False):
        show(json.dumps({**_plain(tool(name).name), "params": tool(name).params.model_json_schema()}, indent=1))


def run_tool(
    name: str, params_file: Path | None, data: list[str], seed: int, workspace: Path | None, as_json: bool
) -> None:
    """`corpusmith tool run`."""
    with boundary(as_json):
        chosen = tool(name)
        params = _read_params(params_file)
        app = open_app(workspace, as_json)
        inputs = {}
        for given in data:
            role, _, ref = given.rpartition("=")
            inputs[role or "data"] = app.workspace.resolve(ref).id
        runner = app.runner()
        try:
            outcome = runner.run_step(chosen, params, inputs, seed)
        finally:
            runner.engine.close()
        if as_json:
            show_json({"status": 0, "artifact": outcome.id, "cached": outcome.cached, "result": outcome.result})
            return
        show(f"artifact {outcome.id}{' (was there already)' if outcome.cached else ''}")
        for key, value in outcome.result.items():
            show(f"{key:20} {json.dumps(value, ensure_ascii=False)}")


def _read_params(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    if not path.is_file():
        raise ParameterError(f"no file {path}", hint="Give a JSON or YAML file with --params.")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is neither JSON nor YAML", hint="See `corpusmith tool schema`.") from error
    if not isinstance(value, dict):
        raise ParameterError(f"{path} holds no mapping of parameters", hint="See `corpusmith tool schema`.")
    return value
