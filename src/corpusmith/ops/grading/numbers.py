"""Errors of answers that are to be numbers (a price, a rating), and their RMSE and MAE.

What an answer without a number costs is one rule for every model: as much as the worst guess between the smallest and
the largest of the references and 0. So it is never cheaper to say nothing than to guess within that range, the cost
does not depend on which models are compared, and no row is dropped. Where every reference is 0 it costs 1. The share of
such answers is a metric of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpusmith.ops.grading.answers import numeric_answer

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NumberGrades:
    """Errors of n rows.

    Attributes:
        absolute: float64[n], absolute errors in the references' unit; NaN where the reference has no number.
        unparsable: float64[n], 1 where the answer has no number; its mean is the unparsable rate.
    """

    absolute: Floats
    unparsable: Floats

    @property
    def squared(self) -> Floats:
        """float64[n], squared errors: what the statistic `rmse` of `bootstrap` reads."""
        return np.square(self.absolute)


def grade_numbers(references: Sequence[str], answers: Sequence[str]) -> NumberGrades:
    """Compare the numbers of answers with those of their references.

    Args:
        references: n texts, each with a number (`answers.numeric_answer`).
        answers: n texts of a model.
    """
    if len(references) != len(answers):
        raise ValueError(f"{len(references)} references, {len(answers)} answers")
    truth, given = _numbers(references), _numbers(answers)
    unparsable = np.isnan(given)
    error = np.abs(truth - given)
    known = truth[~np.isnan(truth)]
    if len(known):
        low, high = min(float(known.min()), 0.0), max(float(known.max()), 0.0)
        worst = np.maximum(truth - low, high - truth) if high > low else np.ones_like(truth)
        error = np.where(unparsable & ~np.isnan(truth), worst, error)
    return NumberGrades(absolute=error, unparsable=unparsable.astype(np.float64))


def rmse(squared: Floats) -> float:
    """The root of the mean of squared errors; NaN without rows, and where one is NaN."""
    return math.sqrt(float(np.mean(squared))) if len(squared) else math.nan


def mae(absolute: Floats) -> float:
    """The mean of absolute errors; NaN without rows, and where one is NaN."""
    return float(np.mean(absolute)) if len(absolute) else math.nan


def _numbers(texts: Sequence[str]) -> Floats:
    numbers = (numeric_answer(text) for text in texts)
    return np.array([math.nan if number is None else number for number in numbers], dtype=np.float64)
