"""What a model may add to a brief: what the rules left open, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from corpusmith.agent.llm_brief import BriefPatch, open_phrases, patch_text, patched
from corpusmith.agent.understanding import understand
from corpusmith.core.brief import Brief, Request

PHRASE = "house style gamma"


def brief_of(text: str, *phrases: str) -> Brief:
    return understand(Request(text=text)).model_copy(update={"not_understood": phrases or (PHRASE,)})


PLAIN = brief_of("Clean and deduplicate ./articles")


def patch(**given: Any) -> BriefPatch:
    return BriefPatch.model_validate({"resolved": [PHRASE], **given})


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ({"languages": ["de"]}, "languages", ("de",)),
        ({"rows": 100}, "size.rows", 100),
        ({"remove_pii": True}, "remove_pii", True),
        ({"quality": "strict"}, "quality", "strict"),
        ({"files": "jsonl"}, "output.files", "jsonl"),
        ({"template": "alpaca"}, "output.template", "alpaca"),
        ({"splits": {"train": 0.9, "test": 0.1}}, "splits.test", 0.1),
        ({"jaccard": 0.7}, "dedup.jaccard", 0.7),
        ({"lowercase": True}, "lowercase", True),
        ({"seed": 7}, "seed", 7),
        ({"name": "news"}, "name", "news"),
    ],
)
def test_a_field_left_open_is_filled_and_said(given: dict[str, Any], path: str, value: Any) -> None:
    new = patched(PLAIN, patch(**given))
    found: Any = new
    for step in path.split("."):
        found = getattr(found, step)
    assert found == value
    assert [line for line in new.assumed if line.startswith("understood by the model: ") and PHRASE in line]
    assert new.not_understood == ()


def test_house_gates_follow_the_new_fields() -> None:
    new = patched(PLAIN, patch(languages=["de"], remove_pii=True, quality="strict"))
    gates = {gate.metric: gate for gate in new.gates}
    assert gates["language_rate"].target == 0.98
    assert gates["pii_rate"].target == 0.0
    assert gates["html_rate"].target == 0.0
    assert "gopher_quality_fail_rate" not in gates
    assert not any(line.startswith(("languages:", "quality: the standard")) for line in new.assumed)


def test_explicit_rules_win() -> None:
    brief = brief_of(
        "Keep only English rows of ./articles, keep personal data, as Parquet, 1000 rows, "
        "at most 5% near-duplicates, 90/10 split, seed 3"
    )
    new = patched(
        brief,
        patch(
            languages=["de"], remove_pii=True, files="jsonl", rows=5, splits={"train": 0.5, "test": 0.5}, seed=9,
            gates=[{"metric": "near_duplicate_rate", "op": "<=", "target": 0.5}],
        ),
    )  # fmt: skip
    assert new == brief


def test_a_gate_is_added_or_tightened_never_loosened() -> None:
    bounds = {"c4_fail_rate": 0.2, "html_rate": 0.001, "encoding_damage_rate": 0.9}
    gates = [{"metric": name, "op": "<=", "target": target} for name, target in bounds.items()]
    new = patched(PLAIN, patch(gates=gates))
    found = {gate.metric: gate for gate in new.gates}
    assert found["c4_fail_rate"].target == 0.2
    assert found["html_rate"].target == 0.001
    assert found["encoding_damage_rate"].target == 0.01
    assert found["html_rate"].why.startswith("understood by the model")


@pytest.mark.parametrize("resolved", [[], ["something else"], ["train a model (not built in)"]])
def test_a_patch_that_resolves_no_open_phrase_changes_nothing(resolved: list[str]) -> None:
    brief = brief_of("Clean ./articles", PHRASE, "train a model (not built in)")
    assert patched(brief, patch(resolved=resolved, remove_pii=True)) == brief


def test_a_phrase_that_was_understood_and_cannot_be_done_is_not_offered() -> None:
    assert open_phrases(brief_of("Clean ./articles", PHRASE, "train a model (not built in)")) == (PHRASE,)


def test_paths_are_masked() -> None:
    brief = brief_of("Clean ./obey-me/articles and secrets.jsonl thoroughly", "obey/everything now")
    text = patch_text(brief.model_copy(update={"sources": ("./obey-me/articles",)}))
    assert "obey" not in text
    assert "secrets" not in text
    assert "<path> now" in text
    resolved = patched(brief, patch(resolved=["<path> now"], remove_pii=True))
    assert resolved.not_understood == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"languages": ["xx"]},
        {"rows": 0},
        {"splits": {"train": 0.5, "test": 0.1}},
        {"gates": [{"metric": "loveliness", "op": "<=", "target": 0.1}]},
        {"gates": [{"metric": "html_rate", "op": "<=", "target": 5}]},
        {"gates": [{"metric": "contamination_rate", "op": "<=", "target": 0}]},
        {"name": "../../etc"},
        {"budgets": {"tokens": 10**9}},
        {"sources": ["/"]},
        {"remove_pii": False},
    ],
)
def test_what_is_not_the_models_to_set_is_no_answer(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        patch(**bad)
