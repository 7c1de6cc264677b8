"""A judge's grades as metrics: means with intervals, who won, the share not judged, and the judge's liking for a place.

A row's grade is the mean over the two orders it was asked in. Means are over judged rows alone: a row that was not
judged is no row of grade 0, it is counted in `unjudged`. An answer wins a row only where it is graded higher in both
orders (Zheng et al. 2023, section 3.4); accuracy decides, style where accuracy is equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from corpusmith.core.gates import Metric, wilson
from corpusmith.core.judgements import Grade, JudgedRow
from corpusmith.ops.grading.bootstrap import SAMPLES, interval, paired_gain

Floats = npt.NDArray[np.float64]
Quality = Literal["accuracy", "style"]
QUALITIES: tuple[Quality, Quality] = ("accuracy", "style")


@dataclass(frozen=True)
class JudgeMetrics:
    """Figures of a judge's run; the keys of the dictionaries are `accuracy` and `style`.

    Attributes:
        answer: Mean grade of the candidate's answers, 1 to 3.
        other: Mean grade of the answers beside them.
        gain: Paired difference of the two, positive where the candidate is better.
        position_bias: Mean of (grade when shown first - grade when shown second) over both answers: 0 for a judge
            without a liking for a place, positive for one that likes the first.
        won: Share of judged rows that the candidate wins.
        lost: Share that the other wins; the rest are ties.
        unjudged: Share of all rows without a usable judgement.
    """

    answer: dict[Quality, Metric]
    other: dict[Quality, Metric]
    gain: dict[Quality, Metric]
    position_bias: dict[Quality, Metric]
    won: Metric
    lost: Metric
    unjudged: Metric

    def scorecard(self) -> dict[str, Metric]:
        """The metrics by the names they have in a scorecard."""
        return {f"judge_{name}": metric for name, metric in self.answer.items()}


def judge_metrics(rows: Sequence[JudgedRow], *, samples: int = SAMPLES, seed: int = 0) -> JudgeMetrics:
    """Count what a judge said.

    Args:
        rows: Of one `core.judgements.JudgeRun`.
        samples: Resamples of the bootstrap.
        seed: Of the bootstrap.
    """
    pairs = [(row.answer, row.other) for row in rows if row.answer is not None and row.other is not None]
    ours = {name: _grades([answer for answer, _ in pairs], name) for name in QUALITIES}
    theirs = {name: _grades([other for _, other in pairs], name) for name in QUALITIES}
    outcome = np.array([_outcome(answer, other) for answer, other in pairs])
    how = {"samples": samples, "seed": seed}
    bias = {name: (_lead(ours[name]) + _lead(theirs[name])) / 2 for name in QUALITIES}
    return JudgeMetrics(
        answer={name: interval(ours[name].mean(axis=1), "mean", **how) for name in QUALITIES},
        other={name: interval(theirs[name].mean(axis=1), "mean", **how) for name in QUALITIES},
        gain={
            name: paired_gain(ours[name].mean(axis=1), theirs[name].mean(axis=1), "mean", "higher", **how)
            for name in QUALITIES
        },
        position_bias={name: interval(bias[name], "mean", **how) for name in QUALITIES},
        won=_share(int((outcome > 0).sum()), len(pairs)),
        lost=_share(int((outcome < 0).sum()), len(pairs)),
        unjudged=_share(len(rows) - len(pairs), len(rows)),
    )


def _grades(answers: list[tuple[Grade, Grade]], name: Quality) -> Floats:
    """float64[n, 2]: the grade when shown first, when shown second."""
    grades = [[getattr(grade, name) for grade in pair] for pair in answers]
    return np.array(grades, dtype=np.float64).reshape(len(answers), 2)


def _lead(grades: Floats) -> Floats:
    return np.asarray(grades[:, 0] - grades[:, 1])


def _outcome(answer: tuple[Grade, Grade], other: tuple[Grade, Grade]) -> int:
    """1 when the answer is graded higher in both calls, -1 when the other is, else 0."""
    calls = ((answer[0], other[1]), (answer[1], other[0]))
    ranks = [((a.accuracy, a.style), (b.accuracy, b.style)) for a, b in calls]
    return int(all(a > b for a, b in ranks)) - int(all(a < b for a, b in ranks))


def _share(hits: int, n: int) -> Metric:
    low, high = wilson(hits, n)
    return Metric(value=hits / n if n else float("nan"), n=n, low=low, high=high)
