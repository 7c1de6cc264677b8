"""What the registry of models hands out: versions, aliases, events, promotions."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.promotion import PromotionReport

Alias = Literal["champion", "candidate", "previous"]
ALIASES: tuple[Alias, ...] = ("champion", "candidate", "previous")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def check_name(name: str) -> str:
    """A name that a model may have.

    Raises:
        ParameterError: It has other letters than a file name or a hub would take.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r} is no name for a model", hint="Use letters, digits, '.', '_' and '-', at most 96."
        )
    return name


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ModelVersion(_Row):
    """One registered model, immutable. `base` and `data` are artifact ids."""

    name: str
    version: int
    artifact: str
    digest: str
    kind: str
    base: str | None
    base_digest: str | None
    data: str | None
    run_id: str | None
    by: str
    created: float

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class Aliases(_Row):
    """Versions that the aliases of one name point at."""

    champion: int | None = None
    candidate: int | None = None
    previous: int | None = None

    def of(self, version: int) -> list[Alias]:
        """The aliases that point at a version."""
        return [alias for alias in ALIASES if getattr(self, alias) == version]


class ModelEvent(_Row):
    """One move of an alias."""

    n: int
    name: str
    action: str
    alias: str
    from_version: int | None
    to_version: int | None
    evaluation: str | None
    report: dict[str, Any] | None
    by: str
    why: str
    run_id: str | None
    created: float


class ModelEvaluation(_Row):
    """One evaluation held against the gates of a promotion. `champion`: the version it was compared with."""

    n: int
    name: str
    version: int
    digest: str
    evaluation: str
    data: str
    data_digest: str
    champion: int | None
    scorecard: dict[str, Any]
    report: dict[str, Any]
    passed: bool
    created: float


class Promotion(BaseModel):
    """What came of asking for a promotion. `already`: it was champion before, and nothing was done."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: ModelVersion
    promoted: bool
    already: bool = False
    before: int | None = Field(None, description="version that was champion")
    report: PromotionReport | None = None
