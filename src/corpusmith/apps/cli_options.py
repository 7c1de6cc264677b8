"""Options that commands of every kind have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Workspace = Annotated[
    Path | None, typer.Option("--workspace", help="Folder that keeps everything.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")]
Approve = Annotated[str, typer.Option("--approve", help="Guarded effects: ask, policy or deny.")]
Policy = Annotated[Path | None, typer.Option("--policy", help="File of allowances for --approve policy.")]
