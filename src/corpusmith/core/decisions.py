"""A decision: what the planner saw, what it weighed, what it chose and why, what it predicted, what was measured."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Option(BaseModel):
    """One thing that could have been done, with what speaks for and against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    params: dict[str, Any] = Field(default_factory=dict)
    predicted: float | None = Field(None, description="value of the target metric it is expected to give")
    sample: dict[str, float] = Field(default_factory=dict, description="figures measured on a sample")
    verdict: str = Field("", description="why it was chosen or not")


class Decision(BaseModel):
    """One turn of the loop."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    turn: int
    planner: Literal["rules", "llm", "random", "fixed"]
    saw: dict[str, float | None] = Field(description="the metrics that gates look at, before")
    unmet: tuple[str, ...]
    options: tuple[Option, ...]
    chosen: str = Field(description="method name, or 'stop'")
    tool: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    metric: str | None = Field(None, description="the metric it should move")
    predicted: float | None = None
    why: str = ""
    source: str = Field("", description="paper or rule the method comes from")
    measured: float | None = None
    kept: bool | None = None
    outcome: str = Field("", description="why it was kept or rolled back")
