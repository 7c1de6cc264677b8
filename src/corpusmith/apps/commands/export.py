"""`corpusmith data export`: write a dataset's files to a folder of the person's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from corpusmith.apps.boundary import boundary
from corpusmith.apps.compose import App
from corpusmith.apps.output import show, show_json
from corpusmith.apps.stopping import Stop
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import ParameterError, WorkspaceError
from corpusmith.core.rows import Shape
from corpusmith.core.settings import load_settings
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.registry import tool

FORMATS = ("parquet", "jsonl", "hf")
TEMPLATES = {Shape.TEXT: "text", Shape.INSTRUCTION: "alpaca", Shape.PREFERENCE: "preference"}


def export(ref: str, to: Path, files: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data export`: the person's own act, so it asks nobody."""
    with boundary(as_json, workspace):
        target = to.expanduser().absolute()
        if files not in FORMATS:
            raise ParameterError(f"--as {files}", hint=f"It may be {', '.join(FORMATS)}.")
        if target.exists():
            raise ParameterError(f"{target} exists already", hint="Name a folder that does not exist.")
        if not target.parent.is_dir():
            raise ParameterError(f"the folder {target.parent} does not exist", hint="Make it first.")
        opened = open_existing(workspace)
        data = opened.resolve(ref)
        source, params = how_to_export(opened.artifacts.open, data, files)
        stop = Stop("the export", f"corpusmith data export {ref} --to {to} --as {files}")
        runner = App.open(load_settings(workspace)).runner(stop)
        try:
            with stop.on_signals():
                made = runner.run_step(tool("format"), params, {"data": source.id}, data.record.seed)
        finally:
            runner.engine.close()
        copy_whole(made.artifact.file("export"), target)
        if as_json:
            show_json({"status": 0, "path": str(target), "rows": made.artifact.rows, "artifact": made.id})
        else:
            show(f"{made.artifact.rows:,} rows as {files} in {target}")


def how_to_export(open_artifact: Any, data: StoredDataset, files: str) -> tuple[StoredDataset, dict[str, Any]]:
    """What to format, and with which parameters: a formatted dataset as it was, in other files; others plainly."""
    if data.record.kind != "dataset":
        raise ParameterError(f"artifact {data.id} is a {data.record.kind}, not a dataset", hint="corpusmith data list")
    if data.record.tool == "format":
        return open_artifact(data.record.inputs["data"]), {**data.record.params, "files": files}
    return data, {"template": TEMPLATES[data.shape], "files": files}


def copy_whole(source: Path, target: Path) -> None:
    """Copy a folder so that the target appears whole or not at all."""
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(source, draft)
        draft.replace(target)
    except shutil.Error as error:  # it carries a list of (from, to, reason), and no errno
        shutil.rmtree(draft, ignore_errors=True)
        raise WorkspaceError(f"{target} cannot be written: {error.args[0][0][2]}", hint="Free some space.") from error
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
