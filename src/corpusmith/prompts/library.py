"""Finds prompt texts: files `<name>@<version>.md` beside this module.

A text that was released is never edited: a change is a new file with the next version, so that a logged model call can
always be read beside the words it was made with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from corpusmith.core.errors import NotFoundError

_FILE = re.compile(r"^(?P<name>[a-z][a-z0-9_]*)@(?P<version>[1-9][0-9]*)\.md$")


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt."""

    name: str
    version: int
    text: str

    @property
    def label(self) -> str:
        """`name@version`, as model calls and exporters name it."""
        return f"{self.name}@{self.version}"


@cache
def prompts() -> tuple[Prompt, ...]:
    """Every prompt in every version, by name and version."""
    found = []
    for entry in files("corpusmith.prompts").iterdir():
        match = _FILE.match(entry.name)
        if match:
            text = entry.read_text(encoding="utf-8").strip()
            found.append(Prompt(match["name"], int(match["version"]), text))
    return tuple(sorted(found, key=lambda item: (item.name, item.version)))


def prompt(name: str, version: int | None = None) -> Prompt:
    """A prompt by its name, the newest version unless one is named.

    Raises:
        NotFoundError: There is none.
    """
    known = [item for item in prompts() if item.name == name and version in (None, item.version)]
    if not known:
        hint = f"There are: {', '.join(item.label for item in prompts())}."
        raise NotFoundError(f"no prompt {name!r}" + (f" in version {version}" if version else ""), hint=hint)
    return known[-1]


def prompt_texts() -> dict[str, str]:
    """Every text by `name@version`, as an exporter registers them."""
    return {item.label: item.text for item in prompts()}
