"""The guard refuses what may not be, whoever proposes it; the verdict is the scorecard's."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.agent.guard import objections, verdict_on
from corpusmith.agent.planner import STOP, Attempt, Proposal
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Severity
from corpusmith.tools.registry import TOOLS

BRIEF = Brief(
    request="x",
    gates=(
        Gate(metric="pii_rate", op="<=", target=0.0),
        Gate(metric="html_rate", op="<=", target=0.01),
        Gate(metric="gopher_quality_fail_rate", op="<=", target=0.05, severity=Severity.SHOULD),
    ),
    retention_floor=0.3,
    source_floor=0.5,
)
BAD = {"pii_rate": 0.2, "html_rate": 0.0, "gopher_quality_fail_rate": 0.4}


def propose(method: str, metric: str | None = None, **params: Any) -> Proposal:
    return Proposal(planner="llm", method=method, params=params, metric=metric)


@pytest.mark.parametrize(
    ("proposal", "kind"),
    [
        (propose("publish", to="/elsewhere"), "unknown_method"),
        (propose("rm -rf"), "unknown_method"),
        (propose("pii-masking", "html_rate", pii=True), "wrong_goal"),
        (propose("pii-masking", "pii_rate", pii=True, approve=True), "bad_arguments"),
        (propose("pii-masking", "pii_rate", pii="very much"), "bad_arguments"),
        (propose("ngram-decontamination", "contamination_rate"), "precondition"),
        (propose("lowercase", "wish:lowercase", lowercase=True), "not_asked"),
        (propose(STOP), "unfinished"),
    ],
)
def test_it_refuses_with_a_typed_reason(make_view, proposal: Proposal, kind: str) -> None:
    found = objections(proposal, make_view(BRIEF, BAD), TOOLS)
    assert any(line.startswith(kind) for line in found), found


def test_it_lets_a_sound_proposal_pass(make_view) -> None:
    assert objections(propose("pii-masking", "pii_rate", pii=True), make_view(BRIEF, BAD), TOOLS) == ()


def test_it_knows_a_repetition(make_view) -> None:
    before = Attempt(
        method="pii-masking", params={"pii": True}, metric="pii_rate", data="d" * 32, kept=False, outcome="no nearer"
    )
    view = make_view(BRIEF, BAD, attempts=(before,))
    assert any(
        line.startswith("repeated") for line in objections(propose("pii-masking", "pii_rate", pii=True), view, TOOLS)
    )


@pytest.mark.parametrize(
    ("metric", "after", "rows", "retained", "kept", "words"),
    [
        ("pii_rate", {"pii_rate": 0.0, "html_rate": 0.0, "rows": 1000}, 1000, 1.0, True, "its gate holds"),
        ("pii_rate", {"pii_rate": 0.1, "html_rate": 0.0, "rows": 1000}, 1000, 1.0, True, "nearer"),
        ("pii_rate", {"pii_rate": 0.2, "html_rate": 0.0, "rows": 1000}, 1000, 1.0, False, "no nearer"),
        ("pii_rate", {"pii_rate": 0.0, "html_rate": 0.5, "rows": 1000}, 1000, 1.0, False, "breaks html_rate"),
        ("pii_rate", {"pii_rate": 0.0, "html_rate": 0.0, "rows": 200}, 200, 0.2, False, "under the floor"),
        ("pii_rate", {"pii_rate": 0.0, "html_rate": 0.0, "source_retention_min": 0.1}, 900, 0.9, False, "one source"),
        ("pii_rate", {}, 0, 0.0, False, "no rows"),
        ("wish:sample", {"pii_rate": 0.2, "html_rate": 0.0, "rows": 20}, 20, 0.02, True, "done as asked"),
    ],
)
def test_the_scorecard_decides(make_view, metric, after, rows, retained, kept, words) -> None:
    verdict = verdict_on(make_view(BRIEF, BAD), metric, after, rows, retained)
    assert verdict[0] is kept
    assert words in verdict[1]


def test_a_share_that_grows_because_good_company_leaves_breaks_nothing(make_view) -> None:
    view = make_view(BRIEF, {**BAD, "html_rate": 0.01})
    after = {"pii_rate": 0.0, "html_rate": 0.02, "rows": 500}
    assert verdict_on(view, "pii_rate", after, 500, 0.5)[0]
    assert not verdict_on(view, "pii_rate", {**after, "html_rate": 0.03}, 500, 0.5)[0]


def test_a_repair_may_open_a_goal_again_that_a_filter_can_serve(make_view) -> None:
    asked = BRIEF.model_copy(update={"gates": (*BRIEF.gates, Gate(metric="near_duplicate_rate", op="<=", target=0.01))})
    view = make_view(asked, {**BAD, "near_duplicate_rate": 0.0})
    after = {"pii_rate": 0.0, "html_rate": 0.0, "near_duplicate_rate": 0.1, "rows": 1000}
    assert verdict_on(view, "pii_rate", after, 1000, 1.0, removes=False)[0]
    assert not verdict_on(view, "pii_rate", after, 1000, 1.0, removes=True)[0]


@pytest.mark.parametrize(("severity", "refused"), [(Severity.SHOULD, True), (Severity.MUST, False)])
def test_drawn_rows_are_not_spent_on_a_gate_that_only_should_hold(make_view, severity: Severity, refused: bool) -> None:
    gate = Gate(metric="truncated_rate", op="<=", target=0.0, severity=severity)
    view = make_view(Brief(request="x", gates=(gate,)), {"truncated_rate": 0.1}, served=("sample",))
    for metric in ("truncated_rate", None):
        found = objections(propose("drop-truncated", metric, drop_truncated=True), view, TOOLS)
        assert [line.split(":")[0] for line in found] == ["too_late"] * refused
