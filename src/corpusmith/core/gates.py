"""Gates and scorecards: what success is, as numbers. Pure; nothing here reads data.

A gate compares one measured metric with a target. A metric that is missing or NaN fails its gate.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Op = Literal["<=", ">=", "<", ">", "=="]


class Severity(StrEnum):
    """`must` gates decide the exit status; `should` gates are worked on and reported."""

    MUST = "must"
    SHOULD = "should"


class Metric(BaseModel):
    """One measured number with what it was measured on.

    `low` and `high` bound a 95 % interval (Wilson for shares); equal to `value` where all rows were counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float
    n: int = Field(ge=0, description="rows (or tokens) it was measured on")
    low: float | None = None
    high: float | None = None


class Scorecard(BaseModel):
    """Every metric measured on one artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    artifact: str = ""
    metrics: dict[str, Metric] = Field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """The value of metric `name`, or None when it was not measured."""
        metric = self.metrics.get(name)
        return None if metric is None else metric.value


class Gate(BaseModel):
    """`metric op target`, for example `near_duplicate_rate <= 0.01`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    op: Op
    target: float
    severity: Severity = Severity.MUST
    why: str = Field("", description="the words of the request it comes from, or the default that set it")

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.target:g}"

    def holds(self, value: float | None) -> bool:
        """Whether `value` meets the target; a missing or NaN value never does."""
        if value is None or math.isnan(value):
            return False
        return {
            "<=": value <= self.target,
            ">=": value >= self.target,
            "<": value < self.target,
            ">": value > self.target,
            "==": value == self.target,
        }[self.op]

    def distance(self, value: float | None) -> float:
        """How far `value` is from holding, 0 when it holds, `inf` when it was not measured."""
        if self.holds(value):
            return 0.0
        return math.inf if value is None or math.isnan(value) else abs(value - self.target)


class GateResult(BaseModel):
    """A gate held against a scorecard."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    op: Op
    target: float
    value: float | None
    passed: bool
    severity: Severity
    why: str = ""


def judge(gates: tuple[Gate, ...] | list[Gate], card: Scorecard) -> list[GateResult]:
    """Hold every gate against the scorecard, in the gates' order."""
    out = []
    for gate in gates:
        value = card.value(gate.metric)
        out.append(
            GateResult(
                metric=gate.metric,
                op=gate.op,
                target=gate.target,
                value=value,
                passed=gate.holds(value),
                severity=gate.severity,
                why=gate.why,
            )
        )
    return out


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson 95 % interval of the share `hits / n` (Wilson 1927); (0, 1) when n is 0."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = hits / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)
