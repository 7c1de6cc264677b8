"""Every request of cases.yaml and cases_models.yaml becomes the brief that stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request
from corpusmith.core.errors import RequestError
from corpusmith.core.metrics import METRICS

FILES = ("cases.yaml", "cases_models.yaml")
CASES: list[dict[str, Any]] = [
    case for name in FILES for case in yaml.safe_load((Path(__file__).parent / name).read_text("utf-8"))
]
BRIEFS = [case for case in CASES if "error" not in case]
ERRORS = [case for case in CASES if "error" in case]


def request_of(case: dict[str, Any]) -> Request:
    given = {key: case[key] for key in ("seed", "max_minutes", "max_cost_usd") if key in case}
    return Request(text=case["text"], sources=tuple(case.get("sources", ())), **given)


def asked_for(brief: Brief) -> dict[str, Any]:
    """The fields that differ from the default."""
    dump = brief.model_dump(mode="json", exclude_defaults=True)
    return {key: value for key, value in dump.items() if key not in ("request", "gates", "assumed", "not_understood")}


@pytest.mark.parametrize("case", BRIEFS, ids=lambda case: case["id"])
def test_request_becomes_its_brief(case: dict[str, Any]) -> None:
    brief = understand(request_of(case))
    assert asked_for(brief) == case["want"]
    assert list(brief.not_understood) == case.get("left", [])
    gates = [f"{gate} {gate.severity}" for gate in brief.gates]
    assert [gate for gate in case.get("gates", []) if gate not in gates] == []
    named = {gate.metric for gate in brief.gates}
    assert named.isdisjoint(case.get("absent", []))
    assert named <= METRICS.keys()
    for metric, words in case.get("why", {}).items():
        assert any(words in gate.why for gate in brief.gates if gate.metric == metric)
    for words in case.get("assumed", []):
        assert any(words in sentence for sentence in brief.assumed), brief.assumed


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["id"])
def test_impossible_request_is_refused_by_name(case: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        understand(request_of(case))
    assert case["error"] in caught.value.message
    assert caught.value.hint
