"""The profile tool on small data of known defects."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusmith.core.brief import LengthRange
from corpusmith.core.gates import Scorecard
from corpusmith.core.metrics import METRICS
from corpusmith.core.rows import Shape
from corpusmith.ops.signals import SIGNALS
from corpusmith.tools.profile import TOOL, ProfileParams

PROSE = (
    "The river rises in the hills to the north of the town, and it has been used to drive mills for centuries. "
    "Visitors who come in spring will have to walk along the old path, because the road is closed to cars. "
    "It is a pleasant walk of about an hour, with views over the valley that reward every step."
)
OTHER = (
    "A compiler reads the text of a program and turns it into instructions that a machine can carry out. "
    "Most of them work in passes, and each pass looks at a simpler form of the program than the one before it. "
    "That is why errors in the syntax are found long before anything is known about the types of the values."
)
GERMAN = (
    "Der Fluss entspringt in den Bergen nördlich der Stadt und hat seit Jahrhunderten die Mühlen im Tal angetrieben. "
    "Wer im Frühling kommt, geht am besten zu Fuß, weil die Straße dann für Autos gesperrt ist und der Weg schön ist."
)


def card_of(artifact) -> Scorecard:
    return Scorecard.model_validate_json(artifact.file("scorecard.json").read_bytes())


def test_metrics_and_side_files(make_dataset, call_tool):
    rows = [PROSE, OTHER, PROSE, GERMAN, "", "write to jane.doe@example.com now please, she reads mail daily"]
    data = make_dataset(rows, part_rows=2)
    params = ProfileParams(languages=("en",), lengths=(LengthRange(unit="words", low=20),))
    result, report = call_tool(TOOL, params, {"data": data, "baseline": data})
    card = card_of(report)
    assert set(card.metrics) <= set(METRICS)
    assert result.rows == 6
    assert card.value("exact_duplicate_rate") == pytest.approx(1 / 6)
    assert card.value("near_duplicate_rate") == pytest.approx(1 / 6)
    assert card.value("empty_rate") == pytest.approx(1 / 6)
    assert card.value("short_rate") == pytest.approx(2 / 6)
    assert "long_rate" not in card.metrics
    assert card.value("pii_rate") == pytest.approx(1 / 6)
    assert card.metrics["language_rate"].n == 5
    assert card.value("language_rate") == pytest.approx(4 / 5)
    assert card.value("retention") == 1.0
    metric = card.metrics["pii_rate"]
    assert 0 < metric.low < metric.value < metric.high < 1
    signals = pq.read_table(report.file("signals.parquet"))
    assert signals.column("row_id").to_pylist() == data.table().column("row_id").to_pylist()
    assert set(SIGNALS) < set(signals.schema.names)
    assert not [name for name in signals.schema.names if name.startswith("_")]
    assert signals.column("duplicate_of").to_pylist() == [None, None, "in.jsonl#0", None, None, None]
    assert signals.column("lang").to_pylist() == ["en", "en", "en", "de", "und", "en"]
    figures = json.loads(report.file("figures.json").read_text())
    assert figures["languages"] == {"en": 4, "de": 1, "und": 1}
    assert figures["duplicates"]["exact"] == 1
    assert sum(figures["lengths"]["tokens"]["counts"]) == 6
    assert figures["tokens"]["total"] == result.tokens == sum(signals.column("n_tokens").to_pylist())


@pytest.mark.parametrize("part_rows", [1, 2, None])
def test_same_figures_whatever_the_parts(make_dataset, call_tool, part_rows):
    rows = [PROSE, GERMAN, OTHER, PROSE + " More."]
    whole, _ = call_tool(TOOL, ProfileParams(), {"data": make_dataset(rows)})
    parts, _ = call_tool(TOOL, ProfileParams(), {"data": make_dataset(rows, part_rows=part_rows)})
    assert parts == whole


def test_retention_follows_derived_rows_to_their_source(make_dataset, call_tool):
    raw = pa.concat_tables([make_dataset([PROSE, OTHER], uri=f"{name}.jsonl").table() for name in "ab"])
    kept = raw.filter(pa.array([True, True, True, False]))
    ids = pa.array(["a.jsonl#0~chunk.0", "a.jsonl#0~chunk.1", "b.jsonl#0"], pa.large_string())
    kept = kept.set_column(0, "row_id", ids)
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(kept), "baseline": make_dataset(raw)})
    card = card_of(report)
    assert card.value("retention") == pytest.approx(2 / 4)
    assert card.value("source_retention_min") == pytest.approx(1 / 2)


def test_a_source_that_is_gone_shows(make_dataset, call_tool):
    raw = pa.concat_tables([make_dataset([PROSE, OTHER], uri=f"{name}.jsonl").table() for name in "ab"])
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(raw.slice(0, 2)), "baseline": make_dataset(raw)})
    assert card_of(report).value("source_retention_min") == 0.0


def test_contamination_and_split_leaks(make_dataset, call_tool):
    rows = [
        {"text": PROSE, "meta": '{"split": "train"}'},
        {"text": PROSE, "meta": '{"split": "test"}'},
        {"text": OTHER, "meta": '{"split": "test"}'},
    ]
    evals = make_dataset([OTHER], uri="eval.jsonl")
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(rows), "evals.0": evals})
    card = card_of(report)
    assert card.value("contamination_rate") == pytest.approx(1 / 3)
    assert (card.value("split_leak_rate"), card.metrics["split_leak_rate"].n) == (0.5, 2)


def test_shapes_have_their_own_metrics(make_dataset, call_tool):
    pairs = [
        {"instruction": "Name a river.", "input": "", "output": "The Elbe."},
        {"instruction": "Name a river.", "input": "", "output": ""},
        {"instruction": "Name a hill.", "input": "", "output": "The Brocken."},
    ]
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(pairs, Shape.INSTRUCTION)})
    assert card_of(report).value("repeated_instruction_rate") == pytest.approx(1 / 3)
    assert card_of(report).value("empty_response_rate") == pytest.approx(1 / 3)
    prefer = [
        {"prompt": "Hi?", "chosen": "Hello.", "rejected": "Hello. "},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ]
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(prefer, Shape.PREFERENCE)})
    assert card_of(report).value("identical_pair_rate") == 0.5


def test_an_empty_dataset_has_no_rates(make_dataset, call_tool):
    empty = make_dataset(make_dataset([PROSE]).table().slice(0, 0))
    result, report = call_tool(
        TOOL, ProfileParams(languages=("en",)), {"data": empty, "baseline": make_dataset([PROSE])}
    )
    assert result.metrics == {"rows": 0.0, "tokens": 0.0, "retention": 0.0, "source_retention_min": 0.0}
    assert pq.read_table(report.file("signals.parquet")).num_rows == 0


def test_what_is_switched_off_is_not_measured(make_dataset, call_tool):
    params = ProfileParams(near=False, pii=False, boilerplate=False, damage=False, vocabulary=False)
    result, _ = call_tool(TOOL, params, {"data": make_dataset([PROSE])})
    absent = {"near_duplicate_rate", "pii_rate", "boilerplate_rate", "html_rate", "encoding_damage_rate"}
    assert not absent & set(result.metrics)
    assert "exact_duplicate_rate" in result.metrics


def test_a_prompt_that_stands_in_train_leaks_whatever_its_answer(make_dataset, call_tool):
    asked = ["Name a bird that eats frogs.", "Name a city by the sea.", "name a bird that eats frogs", "Name it."]
    rows = [
        {"instruction": text, "input": given, "output": f"Answer {n}.", "meta": json.dumps({"json_path": where})}
        for n, (text, given, where) in enumerate(
            zip(asked, ["", "", "", "x"], ["train.a", "train.a", "test.a", "test.a"], strict=True)
        )
    ]
    card = card_of(call_tool(TOOL, ProfileParams(), {"data": make_dataset(rows, Shape.INSTRUCTION)})[1])
    assert (card.value("instruction_leak_rate"), card.metrics["instruction_leak_rate"].n) == (0.5, 2)
    assert card.value("split_leak_rate") == 0.0
    unsplit = [{name: row[name] for name in ("instruction", "input", "output")} for row in rows]
    _, report = call_tool(TOOL, ProfileParams(), {"data": make_dataset(unsplit, Shape.INSTRUCTION)})
    assert card_of(report).value("instruction_leak_rate") is None


def test_answers_are_held_against_the_documents(make_dataset, call_tool):
    answers = (PROSE, "Zebras vote for stripes, alas, now.", "No.")
    rows = [{"instruction": "Tell me.", "input": "", "output": text} for text in answers]
    data = make_dataset(rows, Shape.INSTRUCTION)
    docs = make_dataset([OTHER, PROSE], uri="docs")
    result, out = call_tool(TOOL, ProfileParams(), {"data": data, "docs.0": docs})
    card = card_of(out)
    assert (card.value("ungrounded_rate"), card.metrics["ungrounded_rate"].n) == (0.5, 2)
    signals = pq.read_table(out.file("signals.parquet"))
    assert signals.column("document").to_pylist()[::2] == ["docs#1", None]
    assert signals.column("grounded").to_pylist()[::2] == [pytest.approx(1.0), None]
    assert result.metrics["ungrounded_rate"] == 0.5
    assert card_of(call_tool(TOOL, ProfileParams(), {"data": data})[1]).value("ungrounded_rate") is None
