"""What is counted of each version that answers: requests, errors and how long they took."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from corpusmith.models.serving.contract import Asked

_KEPT = 512


def is_error(asked: Asked) -> bool:
    """Whether the server is to blame: a bad request or a caller who hung up is not an error of the version."""
    return asked.status >= 500


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


@dataclass
class Tally:
    """Counts since a version was opened; seconds of its last 512 answers."""

    requests: int = 0
    errors: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def add(self, asked: Asked) -> None:
        """Count one."""
        self.requests += 1
        self.errors += is_error(asked)
        if asked.status < 400:
            self.seconds.append(asked.seconds)

    def figures(self) -> dict[str, float]:
        """requests, errors, and p95_s where anything was answered."""
        p95 = percentile(self.seconds, 0.95)
        counts: dict[str, float] = {"requests": self.requests, "errors": self.errors}
        return counts if p95 is None else {**counts, "p95_s": round(p95, 4)}
