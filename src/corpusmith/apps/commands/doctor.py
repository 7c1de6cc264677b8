"""`corpusmith doctor`: is this installation whole, is the workspace usable, what is configured."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from corpusmith import __version__
from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import show, show_json, table
from corpusmith.core.errors import WorkspaceError
from corpusmith.core.settings import load_settings
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.ops.language import detect
from corpusmith.store.workspace import Workspace
from corpusmith.tools.registry import TOOLS

EXTRAS = {"llm": ("langchain_openai", "openai"), "opik": ("opik",)}
SENTENCE = "This sentence is written in plain English so that it can be recognised."


def doctor(workspace: Path | None, as_json: bool) -> None:
    """Run the checks; a workspace that cannot be used is an error."""
    with boundary(as_json, workspace):
        settings = load_settings(workspace)
        languages, confidences = detect([SENTENCE])
        rows = [
            ("corpusmith", __version__),
            ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
            ("workspace", workspace_state(settings.workspace)),
            ("workers", str(settings.workers)),
            ("curation", exercise()),
            ("language model", f"works: {languages[0]} at {confidences[0]:.2f}"),
            ("chat model", settings.model or "none (the rules planner needs none)"),
            ("opik", settings.opik_url or "none: traces stay in the workspace"),
        ]
        for extra, modules in EXTRAS.items():
            there = all(importlib.util.find_spec(name) is not None for name in modules)
            rows.append((f"extra {extra}", "installed" if there else f"pip install 'corpusmith[{extra}]'"))
        if as_json:
            show_json({"status": 0, **dict(rows)})
        else:
            show(table(("what", "state"), rows))


def exercise() -> str:
    """Run the tools on a few rows in a folder of its own; the first time this compiles the kernels, which are kept."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="corpusmith-doctor-") as folder:
        root = Path(folder)
        source = root / "rows.jsonl"
        lines = [json.dumps({"text": f"{SENTENCE} It stands here for the {n}. time, and says so."}) for n in range(4)]
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        workspace = Workspace.open(root / "workspace")
        runner = Runner(workspace, LocalEngine())
        try:
            data = runner.run_step(TOOLS["ingest"], {"sources": [str(source)]}, {}).id
            runner.run_step(TOOLS["profile"], {"languages": ["en"]}, {"data": data, "evals.0": data})
            runner.run_step(TOOLS["clean"], {"boilerplate": True, "gopher_quality": True}, {"data": data})
            runner.run_step(TOOLS["dedup"], {"containment": 0.5}, {"data": data})
            runner.run_step(TOOLS["decontaminate"], {}, {"data": data, "evals.0": data})
        finally:
            runner.engine.close()
            workspace.close()
    return f"works: profile, clean, dedup and decontaminate in {time.monotonic() - started:.1f} s"


def workspace_state(root: Path) -> str:
    """Whether the workspace can be used; makes none.

    Raises:
        WorkspaceError: It cannot.
    """
    if root.exists():
        Workspace.open(root).close()
        return f"{root} (writable, {shutil.disk_usage(root).free / 1e9:.1f} GB free)"
    above = next(folder for folder in root.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise WorkspaceError(f"the workspace {root} cannot be made in {above}", hint="Give --workspace DIR.")
    return f"{root} (not there yet, {shutil.disk_usage(above).free / 1e9:.1f} GB free)"
