"""Every tool by its name: the one list that planners, recipes and the command line read."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from corpusmith.core.errors import NotFoundError
from corpusmith.core.tools import Tool
from corpusmith.tools import (
    ablate,
    base,
    clean,
    decontaminate,
    dedup,
    deploy,
    evaluate,
    format,
    generate,
    ground,
    index,
    infer,
    ingest,
    profile,
    promote,
    publish,
    publish_hub,
    sample,
    separate,
    train,
    train_hosted,
)

TOOLS: MappingProxyType[str, Tool[Any]] = MappingProxyType(
    {
        module.TOOL.name: module.TOOL
        for module in (
            ingest,
            profile,
            clean,
            dedup,
            decontaminate,
            separate,
            ground,
            sample,
            generate,
            format,
            publish,
            index,
            base,
            train,
            train_hosted,
            evaluate,
            infer,
            promote,
            publish_hub,
            ablate,
            deploy,
        )
    }
)
"""All tools, in the order a dataset usually meets them."""


def tool(name: str) -> Tool[Any]:
    """A tool by its name.

    Raises:
        NotFoundError: There is none; the message lists them.
    """
    if name not in TOOLS:
        raise NotFoundError(f"no tool {name!r}", hint=f"There are: {', '.join(TOOLS)}.")
    return TOOLS[name]
