from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard as HubCard

from corpusmith.ops.model_card import ModelCard, license_of, render_model_card

METRICS = {"accuracy": {"value": 0.8, "n": 1000, "low": 0.77, "high": 0.83}, "rougeL": {"value": None, "n": 3}}


def card(**more: Any) -> ModelCard:
    given = {
        "name": "news@2", "form": "adapter", "digest": "d" * 64, "base": "org/base", "base_on_hub": True,
        "base_license": "mit", "data": "dataset@1", "data_license": "mit", "languages": ["en"], "metrics": METRICS,
        "data_digest": "e" * 64, "first_line": "beats its base by 0.1",
        "gates": [{"metric": "accuracy", "op": ">", "target": 0.5, "value": 0.8, "passed": True}],
        "training": {"method": "sft", "learning_rate": 2e-4, "curve": []}, "lineage": ["ingest: 3 rows"],
    }  # fmt: skip
    return ModelCard(**{**given, **more})


def test_the_hubs_own_reader_takes_the_front_matter() -> None:
    read = HubCard(render_model_card(card()))  # raises on a model index it cannot read
    assert read.data.license == "mit"
    assert read.data.base_model == "org/base"
    assert read.data.library_name == "peft"
    assert [(r.metric_type, r.metric_value) for r in read.data.eval_results] == [("accuracy", 0.8)]


def test_the_text_says_what_it_is_how_good_and_by_which_gates() -> None:
    text = render_model_card(card())
    said = (
        "works only together with its base", "`dataset@1`", "0.8 | 0.77 to 0.83 | 1,000", "not a number",
        "beats its base by 0.1", "| `accuracy` | `>` | `0.5`", "`ingest: 3 rows`", "| `method` | `sft` |",
    )  # fmt: skip
    assert [words for words in said if words not in text] == []
    assert "`curve`" not in text


@pytest.mark.parametrize(
    ("base", "data", "agreed"),
    [("mit", "mit", "mit"), ("mit", "apache-2.0", "unknown"), ("unknown", "mit", "unknown")],
)
def test_a_licence_is_stated_only_where_base_and_data_agree(base: str, data: str, agreed: str) -> None:
    made = card(base_license=base, data_license=data)
    assert license_of(made) == agreed
    assert ("settle it before you share" in render_model_card(made)) is (agreed == "unknown")


def test_a_base_that_is_no_hub_id_is_not_linked_and_one_without_metrics_says_so() -> None:
    text = render_model_card(card(base="/home/x/base", base_on_hub=False, metrics={}, data="", form="merged"))
    front = yaml.safe_load(text.split("---")[1])
    assert "base_model" not in front
    assert "model-index" not in front
    assert front["library_name"] == "transformers"
    assert "Not evaluated" in text
    assert "not on record" in text
    HubCard(text)


def test_text_from_outside_breaks_out_of_nothing() -> None:
    nasty = "x\n---\n# <script>alert(1)</script> | `y`"
    text = render_model_card(card(name=nasty, data=nasty, first_line=nasty, lineage=[nasty], limits=[nasty]))
    assert "<script>" not in text
    assert text.count("\n# ") == 1
    assert HubCard(text).data.license == "mit"


def test_a_metric_that_is_nan_is_no_number() -> None:
    text = render_model_card(card(metrics={"accuracy": {"value": math.nan, "n": 1}}))
    assert "not a number" in text
    assert "model-index" not in text
