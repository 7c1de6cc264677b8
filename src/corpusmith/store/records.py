"""The record of an artifact: one JSON document beside its parts, written last. No record, no artifact."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.tools import Part

RECORD_NAME = "record.json"


class Counts(BaseModel):
    """What a step did to its rows, by rule."""

    model_config = ConfigDict(extra="forbid")
    rows_out: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    changed: dict[str, int] = Field(default_factory=dict)
    derived: dict[str, int] = Field(default_factory=dict)
    marked: dict[str, int] = Field(default_factory=dict)


class ArtifactRecord(BaseModel):
    """Identity, origin and content of one immutable artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    id: str
    kind: str
    tool: str
    tool_version: int
    params: dict[str, Any]
    inputs: dict[str, str]
    seed: int
    snapshot: dict[str, Any] | None = None
    origin: tuple[str, ...] = Field((), description="source URIs the rows descend from")
    effects: tuple[str, ...] = ()
    rows: int = 0
    size_bytes: int = 0
    content_digest: str | None = None
    parts: tuple[Part, ...] = ()
    files: dict[str, int] = Field(default_factory=dict, description="side files and their size in bytes")
    counts: Counts = Field(default_factory=Counts)
    result: dict[str, Any] = Field(default_factory=dict)
    created: float = 0.0
    seconds: float = 0.0
