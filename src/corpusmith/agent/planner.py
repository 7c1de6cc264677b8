"""What a planner is: it understands a request and proposes one action a turn. It sees statistics, enums and ids.

The loop holds every proposal against the guard (`agent.guard`), runs it, measures, and keeps or rolls back. A planner
never runs a tool, judges a number or sees text of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.brief import Brief, Request
from corpusmith.core.decisions import Option
from corpusmith.core.gates import Scorecard
from corpusmith.core.rows import Shape

STOP = "stop"


class Attempt(BaseModel):
    """One earlier turn, as planners and the guard see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    params: dict[str, Any]
    metric: str
    data: str = Field(description="artifact it was applied to")
    kept: bool
    outcome: str
    before: float | None = None
    after: float | None = None
    dropped_frac: float = 0.0


class Proposal(BaseModel):
    """What a planner wants to do next."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    planner: Literal["rules", "llm", "random", "fixed"]
    method: str = Field(description="name of a method of the catalogue, or 'stop'")
    params: dict[str, Any] = Field(default_factory=dict, description="parameters of the method's tool")
    metric: str | None = Field(None, description="the goal it should move")
    predicted: float | None = None
    why: str = ""
    options: tuple[Option, ...] = ()
    conflict: str = Field("", description="must gates that cannot all hold, with the estimated figures")


@dataclass(frozen=True)
class View:
    """All a planner may know when it decides.

    Attributes:
        brief: What was asked.
        card: What was measured on the current data; `start` the same on the data as it came in.
        goals: Names and values of what is unmet, with gap and weight.
        attempts: Earlier turns, oldest first.
        try_on_sample: Runs a method's tool on a fixed sample of the current data and measures it; None when the method
            cannot run there. Figures only.
        has_evals: Whether evaluation sets are at hand.
        has_docs: Whether documents that answers should come from are at hand.
    """

    brief: Brief
    card: Scorecard
    start: Scorecard
    goals: tuple[Any, ...]
    attempts: tuple[Attempt, ...]
    shape: Shape
    rows: int
    data: str
    served: tuple[str, ...]
    has_evals: bool
    turns_left: int
    try_on_sample: Callable[[str, Mapping[str, Any]], Mapping[str, float] | None]
    sample_rows: int = 0
    has_docs: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


class Planner(Protocol):
    """Understands and decides."""

    @property
    def name(self) -> Literal["rules", "llm", "random", "fixed"]:
        """Its name in decisions."""
        ...

    def understand(self, request: Request) -> Brief:
        """The brief for a request.

        Raises:
            RequestError: Nothing of it can be understood, or it asks for what cannot be.
        """
        ...

    def decide(self, view: View, rejected: tuple[str, ...] = ()) -> Proposal:
        """The next action. `rejected` holds the guard's typed reasons against earlier proposals of this turn."""
        ...
