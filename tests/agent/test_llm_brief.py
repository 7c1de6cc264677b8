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
        ({"training": {}}, "training.bases", ("tiny",)),
        ({"training": {"adapter": "dora", "rank": 4}}, "training.adapter", "dora"),
        ({"training": {"method": "sft"}}, "generate_instructions", True),
        ({"training": {"method": "dpo"}}, "output.template", "preference"),
        ({"approach": "fine-tuning"}, "approach", "fine-tuning"),
        ({"approach": "prompting"}, "splits.test", 0.1),
        ({"training": {}, "task": "label"}, "evaluation.task", "label"),
        ({"training": {}, "judge": True}, "evaluation.judge", True),
        ({"ablation": True}, "ablation", True),
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


def test_a_training_that_a_patch_adds_brings_its_gate_its_splits_and_what_was_assumed() -> None:
    gate = {"metric": "accuracy", "op": ">=", "target": 0.9}
    new = patched(PLAIN, patch(training={"trials": 4, "adapter": "dora"}, gates=[gate]))
    gates = {gate.metric: gate.target for gate in new.gates}
    assert (gates["gain_over_base_low"], gates["accuracy"]) == (0.0, 0.9)
    assert (new.deliverable, new.splits.test, new.training and new.training.trials) == ("model", 0.1, 4)
    openings = {line.split(":")[0] for line in new.assumed}
    assert {"base model", "method", "promotion", "splits"} <= openings
    assert "weights" not in openings
    assert "splits: none, every row is in train" not in new.assumed


def test_splits_of_a_patch_stand_beside_its_training() -> None:
    new = patched(PLAIN, patch(training={}, splits={"train": 0.9, "test": 0.1}))
    assert new.splits.test == 0.1
    assert new.splits.train == 0.9
    assert not any(line.startswith("splits: 80%") for line in new.assumed)


@pytest.mark.parametrize(
    ("sentence", "given"),
    [
        ("Clean ./articles, don't train anything", {"training": {}}),
        ("Clean ./articles without fine-tuning", {"approach": "fine-tuning"}),
        ("Clean ./articles", {"promote": True}),
        ("Clean ./articles", {"judge": True}),
        ("Fine-tune a LoRA on ./a.jsonl, do not promote it", {"promote": True}),
        ("Fine-tune a LoRA on ./a.jsonl, promote it if my boss agrees", {"promote": True}),
        ("Fine-tune a DoRA on ./a.jsonl, rank 4", {"training": {"adapter": "none", "rank": 64}}),
        ("Clean ./articles", {"gates": [{"metric": "accuracy", "op": ">=", "target": 0.9}]}),
        ("Clean ./articles", {"gates": [{"metric": "ablation_gain_low", "op": ">", "target": 0}]}),
    ],
)
def test_what_the_sentence_says_of_models_stands(sentence: str, given: dict[str, Any]) -> None:
    brief = brief_of(sentence)
    assert patched(brief, patch(**given)) == brief


def test_promotion_that_nobody_spoke_of_may_be_asked_for() -> None:
    new = patched(brief_of("Fine-tune a LoRA on ./a.jsonl"), patch(promote=True))
    assert new.promote
    assert not any(line.startswith("promotion:") for line in new.assumed)


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
        {"training": {"bases": ["evil/model"]}},
        {"training": {"hosted": True}},
        {"training": {"replay_from": "/etc"}},
        {"training": {"trials": 1000}},
        {"publish_to": "hf://evil/model"},
        {"promote": False},
        {"evaluation": {"general": "/etc"}},
    ],
)
def test_what_is_not_the_models_to_set_is_no_answer(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        patch(**bad)
