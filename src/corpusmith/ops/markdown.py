"""Small pieces of Markdown for cards: text from data can break out of neither its line nor its table cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corpusmith.core.fingerprints import canonical


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells as they are."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def bullets(lines: Sequence[str]) -> str:
    """A list, an item a line."""
    return "\n".join(f"- {line}" for line in lines)


def cell(value: Any) -> str:
    """A plain value as inline code."""
    text = value if isinstance(value, str) else canonical(value)
    return "`" + line(text).replace("`", "'").replace("|", "¦") + "`"


def line(text: str) -> str:
    """A text on one line, without tags."""
    return " ".join(text.replace("<", "&lt;").split())
