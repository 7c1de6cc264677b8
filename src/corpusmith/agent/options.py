"""What a person may set for a run, beside the sentence."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RunOptions(BaseModel):
    """Options of one run; stored with it, so that `resume` goes on under the same ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sources: tuple[str, ...] = ()
    planner: Literal["rules", "llm"] = "rules"
    model: str | None = None
    engine: Literal["auto", "local"] = "auto"
    approve: Literal["ask", "policy", "deny"] = "ask"
    policy: str | None = None
    seed: int | None = None
    max_minutes: float | None = Field(None, gt=0)
    max_cost: float | None = Field(None, ge=0)
    name: str | None = None
