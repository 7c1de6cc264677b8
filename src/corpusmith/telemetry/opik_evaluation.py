"""Sends an evaluation to Opik: its cases as a dataset, one run over them as an experiment with scores per case.

Every record has an id made of what it names, so sending the same evaluation again changes nothing; a case keeps its
dataset item across evaluations, which is what lets two experiments be compared case by case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpusmith.telemetry.opik_door import OpikDoor, TraceServerError, utc
from corpusmith.telemetry.opik_settings import ExportResult, OpikSettings
from corpusmith.telemetry.trace_ids import stable_uuid7
from corpusmith.telemetry.trace_tree import MAX_SCORE, Redact, clean

_ITEM_TIME = 1_700_000_000.0


@dataclass(frozen=True)
class EvaluatedCase:
    """One case and what came of it.

    `trace_id` names the trace of the run that answered it (`run_trace_id`) and sends no further trace; without it the
    case gets a small trace of its own. `scores` are finite numbers by name.
    """

    id: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    scores: Mapping[str, float]
    expected: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    trace_id: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """One run of a suite. `id` tells it from other runs of the suite; `time` is Unix seconds when it began."""

    id: str
    dataset: str
    name: str
    time: float
    cases: Sequence[EvaluatedCase]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


def export_evaluation(
    evaluation: Evaluation,
    settings: OpikSettings,
    *,
    redact: Redact | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ExportResult:
    """Send an evaluation; call it again after an error, with the same evaluation.

    Returns:
        Cases acknowledged and pending; an evaluation counts as a whole, since each call sends all of it.

    Raises:
        ParameterError: A url is set and the opik package is not installed.
    """
    total = len(evaluation.cases)
    if settings.url is None:
        return ExportResult(0, total, None)
    try:
        with OpikDoor(settings, sleep) as door:
            _Sender(door, evaluation, redact or (lambda text: text)).send()
    except TraceServerError as failure:
        return ExportResult(0, total, str(failure))
    return ExportResult(total, 0, None)


class _Sender:
    def __init__(self, door: OpikDoor, evaluation: Evaluation, redact: Redact) -> None:
        self.door, self.evaluation, self.redact = door, evaluation, redact
        self.destination, self.project = door.settings.destination(), door.settings.project
        self.experiment = self._id("experiment")

    def _id(self, *key: str) -> str:
        return stable_uuid7(self.evaluation.time, self.destination, "evaluation", self.evaluation.id, *key)

    def _item_id(self, case: EvaluatedCase) -> str:
        return stable_uuid7(_ITEM_TIME, self.destination, "item", self.evaluation.dataset, case.id)

    def _trace_id(self, case: EvaluatedCase) -> str:
        return case.trace_id or self._id("trace", case.id)

    def send(self) -> None:
        self._dataset()
        cases, size = list(self.evaluation.cases), self.door.settings.batch
        batches = [cases[first : first + size] for first in range(0, len(cases), size)]
        for batch in batches:
            self._items(batch)
        self._experiment()
        for batch in batches:
            self._traces(batch)
            self._links(batch)

    def _dataset(self) -> None:
        name, datasets = self.evaluation.dataset, self.door.api.datasets
        where = {"project_name": self.project}
        what = f"dataset {name}"
        if self.door.call(what, datasets.get_dataset_by_identifier, accept=(404,), dataset_name=name, **where) is None:
            key = stable_uuid7(_ITEM_TIME, self.destination, "dataset", name)
            self.door.call(what, datasets.create_dataset, accept=(409,), id=key, name=name, **where)

    def _items(self, cases: Sequence[EvaluatedCase]) -> None:
        from opik.rest_api.types.dataset_item_write import DatasetItemWrite

        items = [
            DatasetItemWrite(
                id=self._item_id(case),
                source="sdk",
                data=clean({"case": case.id, "input": case.input, "expected": case.expected}, self.redact),
            )
            for case in cases
        ]
        self.door.call(
            f"items of dataset {self.evaluation.dataset}", self.door.api.datasets.create_or_update_dataset_items,
            dataset_name=self.evaluation.dataset, project_name=self.project, items=items,
        )  # fmt: skip

    def _experiment(self) -> None:
        from opik.rest_api.types.experiment_score_write import ExperimentScoreWrite

        self.door.call(
            f"experiment {self.evaluation.name}", self.door.api.experiments.create_experiment, accept=(409,),
            id=self.experiment, dataset_name=self.evaluation.dataset, project_name=self.project,
            name=self.evaluation.name,
            metadata=clean({"evaluation": self.evaluation.id, **self.evaluation.metadata}, self.redact),
            experiment_scores=[
                ExperimentScoreWrite(name=name, value=value) for name, value in _finite(self.evaluation.scores)
            ],
        )  # fmt: skip

    def _traces(self, cases: Sequence[EvaluatedCase]) -> None:
        from opik.rest_api.types.trace_write import TraceWrite

        traces = [
            TraceWrite(
                id=self._trace_id(case),
                project_name=self.project,
                name=f"case {case.id}",
                start_time=utc(self.evaluation.time),
                end_time=utc(self.evaluation.time + max(case.seconds, 0.0)),
                input=clean(case.input, self.redact),
                output=clean(case.output, self.redact),
                metadata={"evaluation": self.evaluation.id},
                tags=["corpusmith", "evaluation"],
                source="experiment",
            )
            for case in cases
            if case.trace_id is None
        ]
        if traces:
            what = f"traces of {self.evaluation.name}"
            self.door.call(what, self.door.api.traces.create_traces, traces=traces)
        self.door.send_scores(
            f"scores of {self.evaluation.name}",
            self.door.api.traces.score_batch_of_traces,
            ((self._trace_id(case), name, value) for case in cases for name, value in _finite(case.scores)),
        )

    def _links(self, cases: Sequence[EvaluatedCase]) -> None:
        from opik.rest_api.types.experiment_item import ExperimentItem

        items = [
            ExperimentItem(
                id=self._id("link", case.id),
                experiment_id=self.experiment,
                dataset_item_id=self._item_id(case),
                trace_id=self._trace_id(case),
                project_name=self.project,
            )
            for case in cases
        ]
        self.door.call(
            f"cases of {self.evaluation.name}", self.door.api.experiments.create_experiment_items,
            experiment_items=items,
        )  # fmt: skip


def _finite(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """The scores a server takes: no NaN, no infinity, at most 999,999,999."""
    return [(name, float(value)) for name, value in scores.items() if abs(value) <= MAX_SCORE]
