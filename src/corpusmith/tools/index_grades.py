"""The grades of the `index` tool: what its exam found, as a scorecard, a report by kind of question, and the pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from corpusmith.core.gates import Metric, Scorecard
from corpusmith.core.tools import Writer
from corpusmith.models.retrieval.examining import Answered
from corpusmith.models.retrieval.pairs import Exam
from corpusmith.models.retrieval.search import Mode
from corpusmith.ops.grading.retrieval import RankGrades, grade_ranking, ranking_metrics
from corpusmith.store.model_evidence import SCORECARD_NAME, finite

REPORT, PAIRS = "report.json", "pairs.jsonl"


def grades_of(exam: Exam, found: Sequence[Sequence[str]]) -> list[RankGrades]:
    """The grade of each pair, by the ids that were found for it."""
    return [grade_ranking(ids, pair.relevant) for pair, ids in zip(exam.pairs, found, strict=True)]


def write_grades(writer: Writer, exam: Exam, answered: Answered | None, mode: Mode, seed: int) -> dict[str, Metric]:
    """Write scorecard, report and pairs.

    Args:
        writer: Of the step.
        exam: The questions.
        answered: What was found; None = nothing was asked, and the scorecard is empty.
        mode: The one that will answer: its metrics are the index's.
        seed: Of the intervals.

    Returns:
        The metrics of that mode.
    """
    metrics: dict[str, Metric] = {}
    if answered is not None:
        metrics = ranking_metrics(grades_of(exam, answered.found[mode]), seed=seed)
        report = {
            "mode": mode,
            "questions": len(exam.pairs),
            "evidence": answered.evidence.model_dump(mode="json"),
            "modes": {name: _by_kind(exam, grades_of(exam, found), seed) for name, found in answered.found.items()},
        }
        text = json.dumps(finite(report), ensure_ascii=False, allow_nan=False, indent=1)
        writer.path(REPORT).write_text(text, "utf-8")
        lines = [
            json.dumps(
                {
                    "question": pair.question, "kind": pair.kind, "row_id": pair.row_id, "relevant": pair.relevant,
                    "found": ids,
                },
                ensure_ascii=False,
            )
            for pair, ids in zip(exam.pairs, answered.found[mode], strict=True)
        ]  # fmt: skip
        writer.path(PAIRS).write_text("\n".join(lines) + "\n", "utf-8")
    writer.path(SCORECARD_NAME).write_text(Scorecard(metrics=metrics).model_dump_json(indent=1), "utf-8")
    return metrics


def _by_kind(exam: Exam, grades: Sequence[RankGrades], seed: int) -> dict[str, Any]:
    kinds = sorted({pair.kind for pair in exam.pairs})
    some = {
        kind: [grade for pair, grade in zip(exam.pairs, grades, strict=True) if pair.kind == kind] for kind in kinds
    }
    return {
        "all": _dumped(ranking_metrics(grades, seed=seed)),
        "by_kind": {kind: _dumped(ranking_metrics(of_kind, seed=seed)) for kind, of_kind in some.items()},
    }


def _dumped(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: metric.model_dump(mode="json") for name, metric in metrics.items()}
