"""Commands on single tools: list, schema, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from corpusmith.apps.approving import actor, approver, ask_on_terminal
from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import show, show_json, table
from corpusmith.core.errors import NotFoundError, ParameterError
from corpusmith.core.settings import load_settings
from corpusmith.engine.runner import StepOutcome, parse_params
from corpusmith.store.model_evidence import manifest_of
from corpusmith.tools.registry import TOOLS, tool

if TYPE_CHECKING:
    from corpusmith.apps.compose import App

MODEL_ROLES = ("model", "base", "start", "champion", "champion_base")
"""Roles in which a tool takes a model."""


def list_tools(as_json: bool) -> None:
    """`corpusmith tool list`."""
    if as_json:
        show_json({"status": 0, "tools": [_plain(name) for name in TOOLS]})
        return
    rows = [(t.name, t.kind, ", ".join(t.inputs) or "-", t.summary) for t in TOOLS.values()]
    show(table(("tool", "kind", "inputs", "what it does"), rows))


def _plain(name: str) -> dict[str, Any]:
    entry = tool(name)
    return {
        "name": name,
        "version": entry.version,
        "kind": entry.kind,
        "inputs": list(entry.inputs),
        "effects": sorted(entry.effects),
        "summary": entry.summary,
    }


def schema(name: str, as_json: bool) -> None:
    """`corpusmith tool schema`."""
    with boundary(as_json):
        found = {**_plain(name), "params": tool(name).params.model_json_schema()}
        if as_json:
            show_json({"status": 0, **found})
        else:
            show(json.dumps(found, indent=1, ensure_ascii=False))


def run_tool(
    name: str,
    params_file: Path | None,
    data: list[str],
    seed: int,
    approving: tuple[str, Path | None],
    workspace: Path | None,
    as_json: bool,
) -> None:
    """`corpusmith tool run`."""
    with boundary(as_json, workspace):
        chosen = tool(name)
        params = parse_params(chosen, read_params(params_file))
        decide = approver(*approving)
        outcome = run_alone(chosen, params, data, seed, decide, workspace, as_json)
        if as_json:
            path = str(outcome.artifact.folder)
            show_json(
                {"status": 0, "artifact": outcome.id, "cached": outcome.cached, "path": path, "result": outcome.result}
            )
            return
        show(f"artifact {outcome.id}{' (was there already)' if outcome.cached else ''}")
        for key, value in outcome.result.items():
            show(f"{key:20} {json.dumps(value, ensure_ascii=False)}")


def run_alone(
    chosen: Any, params: Any, data: list[str], seed: int, decide: Any, workspace: Path | None, as_json: bool
) -> StepOutcome:
    """Run one tool outside any run, on artifacts given as `REF` or `ROLE=REF`.

    Raises:
        NotFoundError: A reference names nothing, or no model where a model is wanted.
    """
    from corpusmith.apps.compose import App
    from corpusmith.apps.stopping import Stop

    app = App.open(load_settings(workspace))
    inputs = {}
    for given in data:
        role, _, ref = given.rpartition("=")
        inputs[role or "data"] = _model(app, role, ref) if role in MODEL_ROLES else _dataset(app, ref)
    if "model" in inputs and "base?" in chosen.inputs and "base" not in inputs:
        below = manifest_of(app.workspace.artifacts.open(inputs["model"])).base
        inputs |= {} if below is None else {"base": below}
    stop = Stop(f"the tool {chosen.name}", f"corpusmith tool run {chosen.name} ...")
    runner = app.runner(stop, decide)

    def work() -> StepOutcome:
        return runner.run_step(chosen, params, inputs, seed)

    app.progress.doing(chosen.name)
    try:
        with stop.on_signals():
            return ask_on_terminal(app.workspace.approvals, work, lambda _run_id: work(), as_json)
    finally:
        runner.engine.close()


def _dataset(app: App, ref: str) -> str:
    """The artifact of a dataset."""
    try:
        return app.workspace.resolve(ref).id
    except NotFoundError as error:
        if not Path(ref).exists():
            raise
        raise NotFoundError(
            f"{ref} is no dataset of {app.workspace.root} yet",
            hint=f"Read it with `corpusmith tool run ingest`; its --params file says sources: [{ref}].",
        ) from error


def _model(app: App, role: str, ref: str) -> str:
    """The artifact of a model: `name@version`, `name@alias` or `name` of the registry, or an artifact id."""
    try:
        return app.registry(actor()).resolve(ref).artifact
    except NotFoundError:
        pass
    try:
        return app.workspace.resolve(ref).id
    except NotFoundError as error:
        raise NotFoundError(
            f"no model {ref!r} for the input {role!r} in {app.workspace.root}",
            hint="See `corpusmith model list`; a folder or hub model: `corpusmith tool run base`.",
        ) from error


def read_params(path: Path | None) -> dict[str, Any]:
    """The parameters in a JSON or YAML file; none without a file.

    Raises:
        ParameterError: It is missing, is neither, or holds no mapping of names.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise ParameterError(f"no file {path}", hint="Give a JSON or YAML file with --params.")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is neither JSON nor YAML", hint="See `corpusmith tool schema NAME`.") from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ParameterError(f"{path} holds no mapping of parameters", hint="See `corpusmith tool schema NAME`.")
    return value
