"""What was said, as metrics: columns of numbers by row (`ops.grading`), and the gains of one model over another.

A row whose likelihood is no number has no grade either: a model that computes NaN has answers, but they are noise, so
every metric of it is NaN, and a NaN fails every gate (`core.promotion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from corpusmith.core.errors import ParameterError
from corpusmith.core.gates import Metric
from corpusmith.core.metrics import METRICS
from corpusmith.ops.grading.answers import MARK, exact_matches, numeric_matches
from corpusmith.ops.grading.bootstrap import Statistic, interval, paired_gain
from corpusmith.ops.grading.labels import grade_labels
from corpusmith.ops.grading.numbers import grade_numbers
from corpusmith.ops.grading.rouge import rouge_scores
from corpusmith.ops.grading.tasks import have_numbers, task_of
from corpusmith.tools.evaluate_kept import Contestant

Task = Literal["text", "answers", "label", "number"]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PRIMARY: dict[Task, str] = {"text": "bits_per_byte", "answers": "bits_per_byte", "label": "accuracy", "number": "rmse"}
LIKELY = ("bits_per_byte", "perplexity")
MEASURED: dict[Task, tuple[str, ...]] = {
    "text": LIKELY,
    "answers": (*LIKELY, "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match", "numeric_match"),
    "label": ("accuracy", "f1_macro", "unparsable_rate", *LIKELY),
    "number": ("rmse", "mae", "unparsable_rate", *LIKELY),
}
_STATISTICS: dict[str, Statistic] = {
    "bits_per_byte": "bits_per_byte", "perplexity": "perplexity", "f1_macro": "f1_macro", "rmse": "rmse", "mae": "mae",
}  # fmt: skip


@dataclass(frozen=True)
class Grades:
    """Metric to its columns over n rows, as `ops.grading.bootstrap` reads them."""

    columns: dict[str, tuple[Floats, ...]]

    def metrics(self, samples: int, seed: int) -> dict[str, Metric]:
        """Every metric with its interval."""
        return {
            name: interval(columns, _statistic(name), samples=samples, seed=seed)
            for name, columns in self.columns.items()
        }

    def gain_over(self, other: Grades, metric: str, samples: int, seed: int) -> Metric | None:
        """How much better these are than `other` on a metric; None where one of them was not measured."""
        if metric not in self.columns or metric not in other.columns:
            return None
        return paired_gain(
            self.columns[metric],
            other.columns[metric],
            _statistic(metric),
            METRICS[metric].better,
            samples=samples,
            seed=seed,
        )


def _statistic(metric: str) -> Statistic:
    return _STATISTICS.get(metric, "mean")


def task_for(wanted: str, kind: str, references: Sequence[str]) -> Task:
    """The task that was asked for, or that of the rows.

    Raises:
        ParameterError: Documents have no answers, labels or numbers.
    """
    if kind == "documents":
        if wanted not in ("auto", "text"):
            raise ParameterError(
                f"evaluate: text rows have no {wanted}", hint="Give instruction rows, or take the task text."
            )
        return "text"
    return task_of(references) if wanted == "auto" else wanted  # type: ignore[return-value]


def primary_for(wanted: str | None, task: Task, references: Sequence[str], *, pairs: bool, likely: bool) -> str:
    """The metric that the gains are measured on.

    Args:
        wanted: What was asked for; None = by the task.
        task: What is asked for.
        references: Of the rows.
        pairs: Whether the rows are preference pairs.
        likely: Whether the model has a likelihood; one at a provider has none.

    Raises:
        ParameterError: It is none of the task's, or cannot be measured on these references or this model.
    """
    numbers = task == "answers" and have_numbers(references)
    if pairs and likely and wanted in (None, "preference_accuracy"):
        return "preference_accuracy"
    if wanted is None:
        marked = numbers and all(MARK in reference for reference in references)
        return "numeric_match" if marked else PRIMARY[task] if likely or task != "answers" else "rougeLsum"
    unfit = ("unparsable_rate", *(() if numbers else ("numeric_match",)), *(() if likely else LIKELY))
    known = [name for name in MEASURED[task] if name not in unfit]
    if wanted not in known:
        raise ParameterError(
            f"evaluate: the primary metric of task {task} cannot be {wanted}", hint=f"Take one of: {', '.join(known)}."
        )
    return wanted


def needs_answers(metric: str) -> bool:
    """Whether a metric is measured on answers, not on the likelihood."""
    return metric not in (*LIKELY, "preference_accuracy")


def grade_model(
    task: Task, one: Contestant, ids: Sequence[str], references: Sequence[str], labels: Sequence[str], rows: Bools
) -> Grades:
    """Grade one model on the rows that every model could read.

    Args:
        task: What is asked for.
        one: What it said.
        ids: Of all rows.
        references: Of all rows.
        labels: That an answer may name.
        rows: Which rows count.
    """
    columns: dict[str, tuple[Floats, ...]] = {}
    broken = np.zeros(int(rows.sum()), bool)
    likely, rejected = one.likelihood, one.rejected
    if likely is not None:
        nats = (likely.nll + likely.opening)[rows]
        broken = ~np.isfinite(nats)
        columns["bits_per_byte"] = (nats, likely.size_bytes[rows].astype(np.float64))
        columns["perplexity"] = (likely.nll[rows], likely.tokens[rows].astype(np.float64))
    if likely is not None and rejected is not None:
        chosen, worse = ((each.bits / np.maximum(each.size_bytes, 1))[rows] for each in (likely, rejected))
        unknown = ~np.isfinite(chosen - worse)
        columns["preference_accuracy"] = (np.where(unknown, np.nan, (chosen < worse).astype(np.float64)),)
    if one.answers is None:
        return Grades(columns)
    said = one.answers.by_row
    counted = np.flatnonzero(rows).tolist()
    here = [place for place, at in enumerate(counted) if ids[at] in said]
    if not here:
        return Grades(columns)
    places = [counted[place] for place in here]
    told = grade_texts(task, [said[ids[at]] for at in places], [references[at] for at in places], labels).columns
    return Grades(columns | {name: _without(each, broken[here]) for name, each in told.items()})


def grade_texts(task: Task, answers: Sequence[str], references: Sequence[str], labels: Sequence[str]) -> Grades:
    """Grade answers alone, those of a plain baseline for example."""
    if task == "label":
        named = grade_labels(references, answers, labels)
        return Grades({"accuracy": (named.correct,), "f1_macro": named.columns, "unparsable_rate": (named.unparsable,)})
    if task == "number":
        errors = grade_numbers(references, answers)
        return Grades({"rmse": (errors.squared,), "mae": (errors.absolute,), "unparsable_rate": (errors.unparsable,)})
    found: dict[str, tuple[Floats, ...]] = {name: (rows,) for name, rows in rouge_scores(references, answers).items()}
    found["exact_match"] = (exact_matches(references, answers),)
    if have_numbers(references):
        found["numeric_match"] = (numeric_matches(references, answers),)
    return Grades(found)


def _without(columns: tuple[Floats, ...], broken: Bools) -> tuple[Floats, ...]:
    return tuple(np.where(broken, np.nan, column) for column in columns)


def best_plain(plain: Mapping[str, Grades], metric: str, samples: int, seed: int) -> str | None:
    """The plain baseline with the best value of a metric, None where none has it."""
    values = {
        name: grades.metrics(samples, seed)[metric].value for name, grades in plain.items() if metric in grades.columns
    }
    if not values:
        return None
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    return max(values, key=lambda name: sign * values[name])
