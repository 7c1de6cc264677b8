from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.dedup import TOOL, DedupParams

Make = Callable[..., StoredDataset]
PAGE = " ".join(f"word{i}" for i in range(100))
EDITED = PAGE.replace("word50", "other")


def test_copies_go_with_rule_similarity_and_the_row_kept(make_dataset: Make, call_tool: Any) -> None:
    data = make_dataset([PAGE, PAGE.upper(), EDITED, "something else altogether, of its own", ""], part_rows=2)
    result, made = call_tool(TOOL, DedupParams(), {"data": data})
    assert made.table().column("text").to_pylist() == [PAGE, "something else altogether, of its own", ""]
    lines = {line["row_id"]: line for line in made.ledger().to_pylist()}
    assert lines["in.jsonl#1"]["rule"] == "exact_duplicate"
    near = lines["in.jsonl#2"]
    assert (near["rule"], near["kept_row_id"], near["threshold"]) == ("near_duplicate", "in.jsonl#0", 0.8)
    assert near["value"] == pytest.approx(91 / 101)
    assert (result.rows_in, result.rows_out, result.exact_duplicates, result.near_duplicates) == (5, 3, 1, 1)
    assert result.largest_cluster == 2


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"near": False}, [PAGE, EDITED]),
        ({"exact": False}, [PAGE]),
        ({"jaccard": 0.95}, [PAGE, EDITED]),
        ({"keep": "first"}, [PAGE]),
    ],
)
def test_parameters_decide_what_goes(
    make_dataset: Make, call_tool: Any, params: dict[str, Any], kept: list[str]
) -> None:
    _, made = call_tool(TOOL, DedupParams(**params), {"data": make_dataset([PAGE, EDITED, PAGE])})
    assert made.table().column("text").to_pylist() == kept


def test_containment_is_a_rule_of_its_own(make_dataset: Make, call_tool: Any) -> None:
    part = " ".join(PAGE.split()[:50])
    result, made = call_tool(TOOL, DedupParams(containment=0.5), {"data": make_dataset([part, PAGE])})
    assert result.contained == 1
    assert made.ledger().to_pylist()[0]["rule"] == "containment"


def test_repeated_instructions_go_and_the_longest_answer_stays(make_dataset: Make, call_tool: Any) -> None:
    rows = [{"instruction": "Say it.", "input": "", "output": text} for text in ("short", "a longer answer", "short")]
    data = make_dataset(rows, shape=Shape.INSTRUCTION)
    _, made = call_tool(TOOL, DedupParams(near=False, on="instruction"), {"data": data})
    assert made.table().column("output").to_pylist() == ["a longer answer"]


def test_an_instruction_is_compared_together_with_its_input(make_dataset: Make, call_tool: Any) -> None:
    rows = [{"instruction": "Translate.", "input": text, "output": f"{text}!"} for text in ("ja", "nein", "Ja")]
    data = make_dataset(rows, shape=Shape.INSTRUCTION)
    _, made = call_tool(TOOL, DedupParams(near=False, on="instruction"), {"data": data})
    assert made.table().column("input").to_pylist() == ["ja", "nein"]


def test_a_source_that_is_wiped_out_raises_an_alarm(make_dataset: Make, call_tool: Any) -> None:
    rows = [{"text": f"{PAGE} and more", "source": "a"}]
    rows += [
        {"text": f"row {n} of a source with texts of its own, all {n * n} different", "source": "b"} for n in range(25)
    ]
    rows += [{"text": f"{PAGE} {n}", "source": "c"} for n in range(25)]
    result, _ = call_tool(TOOL, DedupParams(), {"data": make_dataset(rows)})
    assert result.alarms == ("c: 25 of 25 rows dropped",)
    assert result.source_loss_max == 1.0
    assert result.sources == 3


@pytest.mark.parametrize(
    "params",
    [
        {"exact": False, "near": False},
        {"containment": 0.5, "keep": "first"},
        {"containment": 0.5, "near": False},
        {"on": "instruction"},
    ],
)
def test_what_cannot_be_done_is_refused(make_dataset: Make, call_tool: Any, params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="dedup"):
        call_tool(TOOL, DedupParams(**params), {"data": make_dataset([PAGE])})


def test_no_rows(make_dataset: Make, call_tool: Any) -> None:
    result, made = call_tool(TOOL, DedupParams(), {"data": make_dataset([])})
    assert (result.rows_in, made.rows) == (0, 0)
