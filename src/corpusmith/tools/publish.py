"""publish: copies what a dataset exports to a folder outside the workspace. An effect: it needs an approval.

It compares with the world first: a folder that already holds this very artifact is left as it is, and a folder that
holds anything else is never overwritten. The copy appears whole, by one rename.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult

STAMP = ".corpusmith.json"


class PublishParams(ToolParams):
    """Where to."""

    to: str = Field(description="folder to publish to; it must not exist, or hold this artifact already")


class PublishResult(ToolResult):
    """What is there now."""

    to: str
    files: int
    already_there: bool


def check(params: PublishParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse data that was not formatted, and a target that holds something else."""
    target = Path(params.to)
    if not target.parent.is_dir():
        raise ParameterError(f"the folder {target.parent} does not exist", hint="Make it, or name another target.")
    if target.exists() and published_id(target) != inputs["data"].id:
        raise PreconditionError(f"{target} exists and holds something else", hint="Name a folder that does not exist.")
    inputs["data"].file("export")


def published_id(target: Path) -> str | None:
    """The artifact id that a published folder was made from, None when it was not made by `publish`."""
    stamp = target / STAMP
    return str(json.loads(stamp.read_text())["artifact"]) if stamp.is_file() else None


def run(params: PublishParams, ctx: StepContext) -> PublishResult:
    """Copy beside the target, then rename."""
    target, source = Path(params.to), ctx.data().file("export")
    there = published_id(target) == ctx.data().id
    if not there:
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft)
        (draft / STAMP).write_text(json.dumps({"artifact": ctx.data().id}))
        draft.replace(target)
    files = sum(1 for path in target.rglob("*") if path.is_file()) - 1
    return PublishResult(to=str(target), files=files, already_there=there)


TOOL = Tool(
    name="publish",
    version=1,
    kind="effect",
    params=PublishParams,
    run=run,
    summary="Copy a formatted dataset to a folder outside the workspace.",
    effects=frozenset({Effect.PUBLISH, Effect.WRITE_FILES}),
    makes="report",
    check=check,
)
