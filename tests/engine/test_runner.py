"""The one door: identity, caching, resuming, approvals, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import Field

from corpusmith.core.errors import ApprovalRequired, CorpusmithError, ParameterError, PreconditionError
from corpusmith.core.rows import Shape, schema_of
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.eventlog import EventLog
from corpusmith.store.workspace import Workspace


class Params(ToolParams):
    rows: int = Field(3, ge=1)
    fail: bool = False


class Result(ToolResult):
    rows: int


CALLS: list[int] = []


def make_rows(params: Params, ctx: StepContext) -> Result:
    CALLS.append(ctx.seed)
    if params.fail:
        raise PreconditionError("not today")
    rows = [{"row_id": f"in#{n}", "source": "in", "text": f"row {n}", "meta": "{}"} for n in range(params.rows)]
    ctx.writer.write(pa.Table.from_pylist(rows, schema=schema_of(Shape.TEXT)))
    return Result(rows=params.rows)


MAKE = Tool("make", 1, "pure", Params, make_rows, "make rows", inputs=())
COPY = Tool("copy", 1, "pure", Params, lambda p, c: Result(rows=c.data().rows), "copy", inputs=("data", "evals*"))
SHOUT = Tool("shout", 1, "effect", Params, make_rows, "tell the world", inputs=(), effects=frozenset({Effect.PUBLISH}))


@pytest.fixture
def runner(tmp_path: Path):
    CALLS.clear()
    workspace = Workspace.open(tmp_path / "ws")
    yield Runner(workspace, LocalEngine(), "r-1", EventLog(tmp_path, "r-1"))
    workspace.close()


def kinds(runner: Runner) -> list[str]:
    assert runner.log is not None
    return [event.kind for event in runner.log.events()]


def test_the_same_step_runs_once_and_another_seed_is_another_step(runner: Runner) -> None:
    first = runner.run_step(MAKE, {"rows": 2}, {}, seed=1)
    again = runner.run_step(MAKE, Params(rows=2), {}, seed=1)
    other = runner.run_step(MAKE, {"rows": 2}, {}, seed=2)
    assert (first.id, again.cached, CALLS) == (again.id, True, [1, 2])
    assert other.id != first.id
    assert other.artifact.record.content_digest == first.artifact.record.content_digest


@pytest.mark.parametrize(
    ("params", "inputs", "named"),
    [({"rows": 0}, {}, "rows"), ({"rowz": 1}, {}, "rowz"), ({}, {"data": "made"}, "takes no input")],
)
def test_wrong_parameters_are_named_and_nothing_is_written(
    runner: Runner, params: Any, inputs: Any, named: str
) -> None:
    if inputs:
        inputs = {"data": runner.run_step(MAKE, {}, {}).id}
    before = runner.workspace.artifacts.ids()
    with pytest.raises(ParameterError, match=named):
        runner.run_step(MAKE, params, inputs)
    assert runner.workspace.artifacts.ids() == before


def test_a_missing_role_is_named(runner: Runner) -> None:
    with pytest.raises(ParameterError, match="lacks the input 'data'"):
        runner.run_step(COPY, {}, {})


def test_repeated_roles_are_allowed(runner: Runner) -> None:
    made = runner.run_step(MAKE, {}, {}).id
    runner.run_step(COPY, {}, {"data": made, "evals.0": made, "evals.1": made})


def test_a_failed_step_leaves_no_artifact_and_says_so_in_the_log(runner: Runner) -> None:
    with pytest.raises(PreconditionError):
        runner.run_step(MAKE, {"fail": True}, {})
    assert runner.workspace.artifacts.ids() == []
    assert runner.log is not None
    assert runner.log.events()[-1].data["status"] == "failed"
    assert kinds(runner) == ["step_started", "step_finished"]


def test_an_effect_waits_for_a_person_and_uses_the_approval_up(runner: Runner) -> None:
    with pytest.raises(ApprovalRequired) as caught:
        runner.run_step(SHOUT, {}, {})
    assert CALLS == []
    runner.workspace.approvals.decide("r-1", True, "ann", "here", caught.value.fields["action"])
    runner.run_step(SHOUT, {}, {})
    with pytest.raises(ApprovalRequired):
        runner.run_step(SHOUT, {}, {})
    assert len(CALLS) == 1


@pytest.mark.parametrize("paid", [True, False])
def test_what_a_call_spends_is_asked_for_and_recorded(runner: Runner, paid: bool) -> None:
    def spends(params: Params, inputs: Any, services: Any) -> frozenset[Effect]:
        return frozenset({Effect.SPEND_MONEY}) if services["paid"] and params.rows > 1 else frozenset()

    tool = Tool("rent", 1, "pure", Params, make_rows, "rent a machine", inputs=(), spends=spends)
    runner.services = {"paid": paid}
    free = runner.run_step(tool, {"rows": 1}, {})
    assert free.artifact.record.effects == ("write_store",)
    if not paid:
        assert runner.run_step(tool, {"rows": 2}, {}).artifact.record.effects == ("write_store",)
        return
    with pytest.raises(ApprovalRequired) as caught:
        runner.run_step(tool, {"rows": 2}, {})
    assert len(CALLS) == 1
    runner.workspace.approvals.decide("r-1", True, "ann", "here", caught.value.fields["action"])
    assert runner.run_step(tool, {"rows": 2}, {}).artifact.record.effects == ("spend_money", "write_store")
    assert runner.run_step(tool, {"rows": 2}, {}).cached  # what is there costs nothing


def test_a_denied_effect_never_happens(runner: Runner) -> None:
    runner.approve = lambda _action, _args: "deny"
    with pytest.raises(PreconditionError, match="denied"):
        runner.run_step(SHOUT, {}, {})
    assert CALLS == []


def test_a_tool_that_returns_anything_else_is_a_defect(runner: Runner) -> None:
    bad = Tool("bad", 1, "pure", Params, lambda p, c: {"rows": 1}, "bad", inputs=())  # type: ignore[arg-type,return-value]
    with pytest.raises(CorpusmithError, match="not a ToolResult"):
        runner.run_step(bad, {}, {})


def test_a_step_found_done_puts_right_what_the_world_lost_once_it_is_approved(runner: Runner) -> None:
    lost, repaired = [False], list[str]()

    def repair(_params: Params, artifact: Any, services: Any) -> Any:
        assert services["place"] == "here"
        return (lambda: repaired.append(artifact.id)) if lost[0] else None

    def spends(params: Params, _inputs: Any, _services: Any) -> frozenset[Effect]:
        return frozenset({Effect.PUBLISH}) if params.rows > 2 else frozenset()

    tool = Tool("post", 1, "pure", Params, make_rows, "post rows", inputs=(), spends=spends, repair=repair)
    runner.services = {"place": "here"}
    made = runner.run_step(tool, {"rows": 2}, {})
    assert runner.run_step(tool, {"rows": 2}, {}).cached
    assert repaired == []
    lost[0] = True
    assert runner.run_step(tool, {"rows": 2}, {}).cached
    assert repaired == [made.id]
    runner.approve = lambda _action, _args: "grant"
    public = runner.run_step(tool, {"rows": 3}, {})
    runner.approve = lambda _action, _args: "ask"
    with pytest.raises(ApprovalRequired):
        runner.run_step(tool, {"rows": 3}, {})
    assert repaired == [made.id]
    runner.approve = lambda _action, _args: "grant"
    assert runner.run_step(tool, {"rows": 3}, {}).cached
    assert repaired == [made.id, public.id]
    assert len(CALLS) == 2
