"""When a model may become the champion: gates that are always held, and the report of holding them. Pure.

A promotion needs an absolute floor on its primary metric and paired non-regression: better than its base with the
whole 95 % interval above zero, and not worse than the champion by more than a tolerance. Where answers are labels or
numbers it must also beat the plain baselines, so that a model that only learned the form of an answer (one trained on
shuffled labels, say) stays out. What is missing or not finite fails.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.gates import Gate, GateResult, Metric, Op, Scorecard, Severity, judge

FLOORS: dict[str, tuple[Op, float]] = {
    "bits_per_byte": ("<", 8.0),  # a byte drawn blindly
    **dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), (">", 0.0)),
    **dict.fromkeys(("exact_match", "numeric_match", "accuracy", "f1_macro"), (">", 0.0)),
}
"""The floor under the primary metric where the caller gives none: a model that knows nothing does not reach it."""

PARSED = frozenset({"accuracy", "f1_macro", "rmse", "mae"})
"""Metrics of labels and numbers, which plain baselines can predict too."""


class PromotionReport(BaseModel):
    """What was held against an evaluation, and what speaks against the promotion besides."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    gates: tuple[GateResult, ...]
    refusals: tuple[str, ...] = Field((), description="one sentence each")

    @property
    def passed(self) -> bool:
        """Whether the model may be promoted by this evaluation."""
        return not self.refusals and all(g.passed for g in self.gates if g.severity is Severity.MUST)

    def why_not(self) -> list[str]:
        """What failed, a sentence each."""
        failed = [g for g in self.gates if not g.passed and g.severity is Severity.MUST]
        return [*self.refusals, *(_failure(gate) for gate in failed)]


def _failure(gate: GateResult) -> str:
    value = "was not measured" if gate.value is None else f"is {gate.value:.4g}"
    return f"{gate.metric} {value}, the gate is {gate.op} {gate.target:g}" + (f" ({gate.why})" if gate.why else "")


def promotion_gates(
    primary: str, floors: tuple[Gate, ...], card: Scorecard, *, base: bool, champion: bool, tolerance: float
) -> tuple[Gate, ...]:
    """The gates of one promotion.

    Args:
        primary: The metric that the gains are measured on.
        floors: Absolute gates that the caller asks for.
        card: What was measured; only its names are read.
        base: Whether the model was made from a base.
        champion: Whether another version is champion now.
        tolerance: How much worse than the champion it may be, in units of the primary metric.
    """
    gates = list(floors)
    if primary not in {gate.metric for gate in floors}:
        op, target = FLOORS.get(primary, (">=", 0.0))
        gates.append(Gate(metric=primary, op=op, target=target, why="a floor that knowing nothing does not reach"))
    if base:
        gates.append(Gate(metric="gain_over_base_low", op=">", target=0.0, why="better than its base"))
    if champion:
        gates.append(
            Gate(metric="gain_over_champion_low", op=">=", target=-tolerance, why="not worse than the champion")
        )
    if PARSED & set(card.metrics):
        gates.append(Gate(metric="gain_over_plain_low", op=">", target=0.0, why="better than plain baselines"))
    return tuple(gates)


def hold(
    primary: str,
    floors: tuple[Gate, ...],
    card: Scorecard,
    refusals: tuple[str, ...],
    *,
    base: bool,
    champion: bool,
    tolerance: float,
) -> PromotionReport:
    """Hold the gates of a promotion against what was measured; `promotion_gates` explains the arguments."""
    against = list(refusals)
    broken = sorted(name for name, metric in card.metrics.items() if not _is_finite(metric))
    if broken:
        against.append(f"not a finite number: {', '.join(broken)}")
    if primary.startswith("judge_"):
        against.append(f"{primary} is a judge's opinion, and a judge is never the only gate")
    finite = card.model_copy(update={"metrics": {n: m for n, m in card.metrics.items() if n not in broken}})
    gates = promotion_gates(primary, floors, card, base=base, champion=champion, tolerance=tolerance)
    return PromotionReport(gates=tuple(judge(gates, finite)), refusals=tuple(against))


def _is_finite(metric: Metric) -> bool:
    return all(math.isfinite(number) for number in (metric.value, metric.low, metric.high) if number is not None)
