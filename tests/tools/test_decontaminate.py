from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.decontaminate import TOOL, DecontaminateParams

Make = Callable[..., StoredDataset]
ITEM = "A heron eats nine frogs at dawn and four at dusk; how many frogs does it eat in a week?"
OTHER = "Which river does the old stone bridge at the edge of Aldwick cross, and who built it?"
ROWS = ["Clean text about herons and the frogs they eat.", f"Before it. {ITEM.upper()} After it.", "More clean text."]


def test_contaminated_rows_go_and_name_the_item(make_dataset: Make, call_tool: Any) -> None:
    inputs = {
        "data": make_dataset(ROWS),
        "evals.0": make_dataset([OTHER], uri="other.jsonl"),
        "evals.1": make_dataset([OTHER + " When?", ITEM], uri="test.jsonl"),
    }
    result, made = call_tool(TOOL, DecontaminateParams(), inputs)
    assert made.table().column("text").to_pylist() == [ROWS[0], ROWS[2]]
    (line,) = made.ledger().to_pylist()
    assert (line["row_id"], line["rule"], line["kept_row_id"]) == ("in.jsonl#1", "contamination", "test.jsonl#1")
    assert (line["value"], line["threshold"]) == (1.0, 0.8)
    assert (result.rows_in, result.rows_out, result.contaminated) == (3, 2, 1)
    assert {role: found.rows for role, found in result.evals.items()} == {"evals.0": 0, "evals.1": 1}


def test_marking_keeps_every_row_and_writes_the_same_evidence(make_dataset: Make, call_tool: Any) -> None:
    inputs = {"data": make_dataset(ROWS), "evals.0": make_dataset([ITEM], uri="test.jsonl")}
    result, made = call_tool(TOOL, DecontaminateParams(action="mark"), inputs)
    assert made.table().column("text").to_pylist() == ROWS
    (line,) = made.ledger().to_pylist()
    assert (line["action"], line["row_id"], line["kept_row_id"]) == ("mark", "in.jsonl#1", "test.jsonl#0")
    assert (result.rows_out, result.contaminated) == (3, 1)


def test_an_item_that_stands_everywhere_is_called_common(make_dataset: Make, call_tool: Any) -> None:
    inputs = {"data": make_dataset([f"{n} {ITEM}" for n in range(30)]), "evals.0": make_dataset([ITEM], uri="e")}
    result, _ = call_tool(TOOL, DecontaminateParams(), inputs)
    assert result.alarms == ("e#0: in 30 rows",)


def test_no_evaluation_set_is_refused(make_dataset: Make, call_tool: Any) -> None:
    with pytest.raises(ParameterError, match="evaluation set"):
        call_tool(TOOL, DecontaminateParams(), {"data": make_dataset(ROWS)})
