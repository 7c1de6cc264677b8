from __future__ import annotations

import dataclasses

import pytest
from opik_server import OpikServer

from corpusmith.telemetry import EvaluatedCase, Evaluation, ExportResult, OpikSettings, export_evaluation

EVALUATION = Evaluation(
    id="e1",
    dataset="briefs",
    name="briefs 2026-01-02",
    time=1_767_323_045.0,
    cases=tuple(
        EvaluatedCase(
            f"case-{n}",
            {"request": f"request {n}"},
            {"rows": n},
            {"passed": float(n % 2), "odd": float("nan")},
            seconds=1.5,
        )
        for n in range(5)
    ),
    metadata={"planner": "rules"},
    scores={"passed": 0.4},
)


def assert_all_there(server: OpikServer, evaluation: Evaluation) -> None:
    store, cases = server.store, len(evaluation.cases)
    assert (len(store.datasets), len(store.items), len(store.experiments)) == (1, cases, 1)
    assert (len(store.traces), len(store.links), len(store.scores)) == (cases, cases, cases)
    (experiment,) = store.experiments.values()
    for link in store.links.values():
        assert link["experiment_id"] == experiment["id"]
        assert link["dataset_item_id"] in store.items
        assert link["trace_id"] in store.traces
    assert experiment["experiment_scores"] == [{"name": "passed", "value": 0.4}]


def test_twice_is_once(opik: OpikServer) -> None:
    settings = OpikSettings(url=opik.url, batch=2)
    for _ in range(2):
        assert export_evaluation(EVALUATION, settings) == ExportResult(5, 0, None)
        assert_all_there(opik, EVALUATION)


@pytest.mark.parametrize("fault", ["drop", 500])
@pytest.mark.parametrize("requests", [1, 2, 4, 6, 8, 10])
def test_failing_in_the_middle(opik: OpikServer, requests: int, fault: str | int) -> None:
    settings = OpikSettings(url=opik.url, batch=2, retries=0)
    opik.faults = [*[None] * (requests - 1), fault]
    assert export_evaluation(EVALUATION, settings).pending == 5
    assert export_evaluation(EVALUATION, settings).error is None
    assert_all_there(opik, EVALUATION)


def test_two_runs_of_a_suite_share_the_items(opik: OpikServer) -> None:
    settings = OpikSettings(url=opik.url)
    export_evaluation(EVALUATION, settings)
    export_evaluation(dataclasses.replace(EVALUATION, id="e2", time=EVALUATION.time + 86_400), settings)
    assert (len(opik.store.items), len(opik.store.experiments), len(opik.store.links)) == (5, 2, 10)


def test_a_case_can_point_at_the_trace_of_its_run(opik: OpikServer) -> None:
    run = "01b7b4a0-0000-7000-8000-000000000001"
    case = dataclasses.replace(EVALUATION.cases[0], trace_id=run)
    export_evaluation(dataclasses.replace(EVALUATION, cases=(case,)), OpikSettings(url=opik.url))
    (link,) = opik.store.links.values()
    assert link["trace_id"] == run
    assert opik.store.traces == {}
    assert list(opik.store.scores) == [("traces", run, "passed")]


def test_no_server_no_sending() -> None:
    assert export_evaluation(EVALUATION, OpikSettings()) == ExportResult(0, 5, None)
