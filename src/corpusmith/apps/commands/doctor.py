"""`corpusmith doctor`: is this installation whole, is the workspace usable, what is configured."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path

from corpusmith import __version__
from corpusmith.apps.output import boundary, show, show_json, table
from corpusmith.core.settings import load_settings
from corpusmith.ops.language import identify
from corpusmith.store.workspace import Workspace

EXTRAS = {"llm": ("langchain_openai", "openai"), "opik": ("opik",)}


def doctor(workspace: Path | None, as_json: bool) -> None:
    """Run the checks; a workspace that cannot be used is an error."""
    with boundary(as_json):
        settings = load_settings(workspace)
        Workspace.open(settings.workspace).close()
        found, confidence = identify("This sentence is written in plain English so that it can be recognised.")
        free = shutil.disk_usage(settings.workspace).free
        rows = [
            ("corpusmith", __version__),
            ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
            ("workspace", f"{settings.workspace} (writable, {free / 1e9:.1f} GB free)"),
            ("workers", str(settings.workers)),
            ("language model", f"works: {found} at {confidence:.2f}"),
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
