"""What the rules have claimed so far, before it becomes a brief."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from corpusmith.agent.understanding.scan import Scan
from corpusmith.core.errors import RequestError
from corpusmith.core.gates import Gate, Op, Severity
from corpusmith.core.metrics import METRICS

EXAMPLE = (
    'For example: corpusmith run "Make a clean, deduplicated English corpus from ./articles, no personal data, '
    'at most 1% near-duplicates, 2000 documents, 90/5/5 split, as Parquet"'
)


@dataclass(frozen=True)
class Claim:
    """One field's value, where in the sentence it stands and the person's words for it."""

    at: int
    value: Any
    words: str


@dataclass(frozen=True)
class Wish:
    """A gate asked for; it falls away when `needs` = (field, value) was overruled later in the sentence."""

    at: int
    gate: Gate
    needs: tuple[str, Any] | None = None


@dataclass(frozen=True)
class Leftover:
    """A span that was recognised but cannot be done, and why."""

    at: int
    words: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.words} ({self.reason})" if self.reason else self.words


@dataclass
class Draft:
    """Claims by field, gates asked for, and spans that cannot be done."""

    claims: dict[str, list[Claim]] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def claim(self, name: str, value: Any, at: int, words: str) -> None:
        """Note that the words at `at` ask for `value` in field `name`."""
        self.claims.setdefault(name, []).append(Claim(at, value, words))

    def has(self, name: str) -> bool:
        """Whether anything was said about field `name`."""
        return name in self.claims

    def words(self, name: str) -> str:
        """The person's words for what counts in field `name`; empty when nothing was said."""
        claims = self.claims.get(name, [])
        return max(claims, key=lambda claim: claim.at).words if claims else ""

    def last(self, name: str, default: Any = None) -> Any:
        """The value claimed last in the sentence; where an earlier one differs, a note says which counts."""
        claims = sorted(self.claims.get(name, []), key=lambda claim: claim.at)
        if not claims:
            return default
        for earlier in claims[:-1]:
            note = f"'{earlier.words}' and '{claims[-1].words}' contradict each other: the last one counts"
            if earlier.value != claims[-1].value and note not in self.notes:
                self.notes.append(note)
        return claims[-1].value

    def union(self, name: str) -> tuple[Any, ...]:
        """Every value claimed for a field that gathers, in the order of the sentence, without repeats."""
        claims = sorted(self.claims.get(name, []), key=lambda claim: claim.at)
        return tuple(dict.fromkeys(claim.value for claim in claims))

    def leave(self, at: int, words: str, reason: str = "") -> None:
        """Note a span that was recognised but cannot be done."""
        self.leftovers.append(Leftover(at, words, reason))

    def gate(
        self, scan: Scan, metric: str, op: Op, target: float, at: int, words: str, needs: tuple[str, Any] | None = None
    ) -> None:
        """Ask for a gate.

        Raises:
            RequestError: The target is no possible value of the metric.
        """
        if METRICS[metric].unit == "share" and not 0 <= target <= 1:
            raise RequestError(
                f"'{words}' is impossible: {metric} is a share between 0% and 100%",
                hint=f"Give a percentage between 0 and 100. {EXAMPLE}",
                metric=metric,
                target=target,
            )
        severity = Severity.SHOULD if scan.is_soft(at) else Severity.MUST
        target = round(target, 9)
        self.wishes.append(Wish(at, Gate(metric=metric, op=op, target=target, severity=severity, why=words), needs))

    def hope(self, gate: Gate, at: int) -> None:
        """Ask for a gate that is reported and not demanded, as a question asks for it."""
        self.wishes.append(Wish(at, gate))


def share(text: str) -> float:
    """`1%` is 0.01; a number without the sign is taken as it is."""
    return round(float(text[:-1]) / 100, 9) if text.endswith("%") else float(text)


def bound_op(bound: str, upper: str, below: str, above: str) -> Op:
    """The comparison that a bound's words mean; strict for `below` and `above`."""
    if re.fullmatch(below, bound):
        return "<"
    if re.fullmatch(above, bound):
        return ">"
    return "<=" if re.fullmatch(upper, bound) else ">="
