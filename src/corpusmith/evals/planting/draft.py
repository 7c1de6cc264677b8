"""A row before it has a place: damages make drafts, the writer gives them files, positions and so ids."""

from __future__ import annotations

from dataclasses import dataclass, field

from corpusmith.evals.planting.truth import PiiValue


@dataclass(eq=False)
class Draft:
    """A row to be written, with its truth. `home` names the file it must stand in; empty = any file of rows."""

    text: str
    kind: str
    removable: bool | None
    title: str = ""
    of: Draft | None = None
    edit: str | None = None
    rate: float | None = None
    jaccard: float | None = None
    language: str = "en"
    pii: tuple[PiiValue, ...] = ()
    lines: tuple[str, ...] = ()
    clean: str | None = None
    item: int | None = None
    canary: str | None = None
    home: str = ""
    columns: dict[str, str] = field(default_factory=dict)
