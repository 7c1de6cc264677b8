"""Commands on datasets: why, diff, data list, data show, data export."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from corpusmith.apps.commands.runs import open_app
from corpusmith.apps.output import boundary, show, show_json, table
from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.ops.pii import mask
from corpusmith.workflows.compare import compare
from corpusmith.workflows.history import trace_row


def why(row: str, dataset: str, reveal: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith why`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        histories = trace_row(app.workspace, dataset, row, reveal=reveal)
        if as_json:
            show_json({"status": 0, "rows": [history.as_json() for history in histories]})
            return
        for history in histories:
            for line in history.lines():
                show(line)
            show()


def diff(left: str, right: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith diff`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        found = compare(app.workspace, left, right)
        if as_json:
            show_json({"status": 0, **found.as_json()})
            return
        for line in found.lines():
            show(line)


def list_data(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data list`."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        found = []
        for entry in app.workspace.runs.published():
            record = app.workspace.artifacts.open(entry["artifact"]).record
            found.append({**entry, "rows": record.rows, "size_bytes": record.size_bytes})
        if as_json:
            show_json({"status": 0, "datasets": found})
            return
        rows = [
            (
                f"{e['name']}@{e['version']}",
                f"{e['rows']:,}",
                f"{e['size_bytes'] / 1e6:.1f} MB",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(e["created"])),
                e["artifact"][:12],
            )
            for e in found
        ]
        show(table(("dataset", "rows", "size", "made", "artifact"), rows) if rows else "No datasets yet.")


def show_data(ref: str, count: int, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data show`: personal data is shown as placeholders."""
    with boundary(as_json):
        app = open_app(workspace, as_json)
        data = app.workspace.resolve(ref)
        first: list[dict[str, Any]] = []
        for batch in data.batches(rows=max(count, 1)):
            first = batch.slice(0, count).to_pylist()
            break
        masked = [{k: mask(v)[0] if isinstance(v, str) else v for k, v in row.items()} for row in first]
        if as_json:
            show_json({"status": 0, "record": data.record.model_dump(mode="json"), "rows": masked})
            return
        record = data.record
        show(f"artifact {record.id}   made by {record.tool}   {record.rows:,} rows, {record.size_bytes / 1e6:.1f} MB")
        show(f"digest   {record.content_digest}")
        for row in masked:
            show(json.dumps(row, ensure_ascii=False)[:1200])


def export(ref: str, to: Path, files: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data export`: the person's own act, so it asks nobody."""
    if files not in ("parquet", "jsonl", "hf"):
        with boundary(as_json):
            raise ParameterError(f"--as {files}", hint="It may be parquet, jsonl or hf.")
    with boundary(as_json):
        app = open_app(workspace, as_json)
        target = to.expanduser().absolute()
        if target.exists():
            raise ParameterError(f"{target} exists already", hint="Name a folder that does not exist.")
        if not target.parent.is_dir():
            raise ParameterError(f"the folder {target.parent} does not exist", hint="Make it first.")
        data = app.workspace.resolve(ref)
        runner = app.runner()
        template = {Shape.TEXT: "text", Shape.INSTRUCTION: "alpaca", Shape.PREFERENCE: "preference"}[data.shape]
        kept = dict(data.record.params) if data.record.tool == "format" else {"template": template}
        try:
            source = data.record.inputs["data"] if data.record.tool == "format" else data.id
            made = runner.run_step(app_tool("format"), {**kept, "files": files}, {"data": source}, data.record.seed)
        finally:
            runner.engine.close()
        copy_whole(made.artifact.file("export"), target)
        if as_json:
            show_json({"status": 0, "path": str(target), "rows": made.artifact.rows, "artifact": made.id})
        else:
            show(f"{made.artifact.rows:,} rows as {files} in {target}")


def app_tool(name: str) -> Any:
    """A tool of the registry."""
    from corpusmith.tools.registry import tool

    return tool(name)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder so that the target appears whole or not at all."""
    import shutil

    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft)
    draft.replace(target)
