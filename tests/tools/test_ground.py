from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.rows import Shape
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.ground import TOOL, GroundParams

Make = Callable[..., StoredDataset]
HERON = "The heron waits beside the reeds at dawn and eats nine frogs before the keeper of the marsh comes by."
BRIDGE = "The old stone bridge at the edge of Aldwick crosses the Tamble, and a guild of masons built it."
ROWS = [
    {"instruction": "When does it eat?", "input": "", "output": "At dawn the heron waits beside the reeds."},
    {"instruction": "Who pays?", "input": "", "output": "Taxpayers in seven provinces fund every toll road."},
    {"instruction": "How many frogs?", "input": "", "output": "Nine."},
]


@pytest.fixture
def inputs(make_dataset: Make) -> dict[str, StoredDataset]:
    docs = {"docs.0": make_dataset([BRIDGE], uri="b"), "docs.1": make_dataset([HERON], uri="h")}
    return {"data": make_dataset(ROWS, Shape.INSTRUCTION), **docs}


def test_rows_without_support_go_with_what_was_found_of_them(inputs: Any, call_tool: Any) -> None:
    result, made = call_tool(TOOL, GroundParams(), inputs)
    assert made.table().column("instruction").to_pylist() == ["When does it eat?", "How many frogs?"]
    (line,) = made.ledger().to_pylist()
    assert (line["row_id"], line["rule"], line["threshold"]) == ("in.jsonl#1", "ungrounded", 0.4)
    assert line["value"] < 0.4
    assert (result.rows_in, result.rows_out, result.documents) == (3, 2, 2)
    assert (result.ungrounded, result.too_short) == (1, 1)
    scores = pq.read_table(made.file("grounding.parquet")).to_pylist()
    assert scores[0]["document"] == "h#0"
    assert scores[2]["grounded"] is None


def test_marking_keeps_every_row_and_writes_the_same_evidence(inputs: Any, call_tool: Any) -> None:
    result, made = call_tool(TOOL, GroundParams(action="mark"), inputs)
    assert (made.rows, result.ungrounded) == (3, 1)
    (line,) = made.ledger().to_pylist()
    assert (line["action"], line["row_id"], line["rule"]) == ("mark", "in.jsonl#1", "ungrounded")


def test_what_cannot_be_judged_is_refused(make_dataset: Make, inputs: Any, call_tool: Any) -> None:
    with pytest.raises(ParameterError, match="no documents"):
        call_tool(TOOL, GroundParams(), {"data": inputs["data"]})
    with pytest.raises(PreconditionError, match="no answers"):
        call_tool(TOOL, GroundParams(), {**inputs, "data": make_dataset([HERON])})
    with pytest.raises(ParameterError, match="no words"):
        call_tool(TOOL, GroundParams(), {"data": inputs["data"], "docs.0": make_dataset(["", "..."])})
