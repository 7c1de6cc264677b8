"""Goals are derived: unmet gates by how far, wishes until a step has served them."""

from __future__ import annotations

import pytest

from corpusmith.agent.goals import open_goals, wishes_of
from corpusmith.core.brief import Balance, Brief, NumberRange, Size
from corpusmith.core.gates import Gate, Metric, Scorecard, Severity
from corpusmith.core.rows import Shape


def card(**values: float) -> Scorecard:
    return Scorecard(metrics={name: Metric(value=value, n=10) for name, value in values.items()})


def test_a_gate_that_holds_is_no_goal_and_one_that_does_not_says_how_far() -> None:
    brief = Brief(
        request="x",
        gates=(
            Gate(metric="pii_rate", op="<=", target=0.0),
            Gate(metric="html_rate", op="<=", target=0.1, severity=Severity.SHOULD),
        ),
    )
    assert [g.name for g in open_goals(brief, card(pii_rate=0.0, html_rate=0.05), ("format",))] == []
    goals = {g.name: g for g in open_goals(brief, card(pii_rate=0.25, html_rate=0.5), ("format",))}
    assert goals["pii_rate"].gap == pytest.approx(0.25)
    assert goals["html_rate"].gap == pytest.approx(0.4)
    assert goals["html_rate"].weight < goals["pii_rate"].weight


def test_a_metric_that_was_not_measured_is_a_goal_where_it_could_have_been() -> None:
    brief = Brief(request="x", gates=(Gate(metric="pii_rate", op="<=", target=0.0),))
    assert open_goals(brief, card(), ("format",))[0].value is None
    leak = Brief(request="x", gates=(Gate(metric="split_leak_rate", op="<=", target=0.0),))
    assert open_goals(leak, card(), ("format",)) == []


@pytest.mark.parametrize(
    ("brief", "wishes"),
    [
        (Brief(request="x"), ("format",)),
        (Brief(request="x", lowercase=True, remove_stopwords=True), ("lowercase", "stopwords", "format")),
        (
            Brief(request="x", size=Size(rows=5), numbers=(NumberRange(field="p", low=1),)),
            ("numbers", "sample", "format"),
        ),
        (Brief(request="x", balance=Balance(method="oversample", field="c")), ("format", "balance")),
        (Brief(request="x", balance=Balance(method="stratified", field="c")), ("sample", "format")),
    ],
)
def test_wishes_are_what_no_number_can_show(brief: Brief, wishes: tuple[str, ...]) -> None:
    assert wishes_of(brief) == wishes
    assert {g.name for g in open_goals(brief, card(), ())} == {f"wish:{name}" for name in wishes}
    assert open_goals(brief, card(), wishes) == []


def test_pairs_are_not_made_out_of_pairs() -> None:
    brief = Brief(request="x", generate_instructions=True)
    assert "wish:generate" in {g.name for g in open_goals(brief, card(), ())}
    assert "wish:generate" not in {g.name for g in open_goals(brief, card(), (), Shape.INSTRUCTION)}
