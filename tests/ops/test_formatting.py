from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.rows import Shape, schema_of
from corpusmith.ops.formatting import FormatRows, Windows, export_table, refusals, windowed


def table(shape: Shape, *rows: dict[str, Any]) -> pa.Table:
    schema = schema_of(shape)
    base = {"source": "s", "text": "", "meta": "{}"}
    full = [{"row_id": f"s#{n}", **base, **row} for n, row in enumerate(rows)]
    return pa.Table.from_pylist([{name: r.get(name) for name in schema.names} for r in full], schema=schema)


PAIRS = table(
    Shape.INSTRUCTION,
    {"instruction": "Sum up.", "input": "A long text.", "output": "Short."},
    {"instruction": "Say hi.", "input": "", "output": "Hi."},
)


def test_input_is_never_lost() -> None:
    chats = export_table(PAIRS, "messages", system="Be kind.").column("messages").to_pylist()
    assert chats[0] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Sum up.\n\nA long text."},
        {"role": "assistant", "content": "Short."},
    ]
    chats = export_table(PAIRS, "sharegpt").column("conversations").to_pylist()
    assert chats[1] == [{"from": "human", "value": "Say hi."}, {"from": "gpt", "value": "Hi."}]
    assert export_table(PAIRS, "alpaca").column_names == ["instruction", "input", "output", "row_id", "source", "meta"]
    assert export_table(PAIRS, "alpaca").column("input").to_pylist() == ["A long text.", ""]


def test_rows_that_teach_nothing_are_refused() -> None:
    pairs = table(
        Shape.PREFERENCE,
        {"prompt": "p", "chosen": "a", "rejected": "b"},
        {"prompt": "p", "chosen": "a", "rejected": " a\n"},
        {"prompt": "p", "chosen": "", "rejected": "b"},
        {"prompt": "p", "chosen": "a", "rejected": None},
        {"prompt": " ", "chosen": "a", "rejected": "b"},
    )
    assert refusals(pairs) == [None, "identical_pair", "empty_response", "empty_response", "empty_prompt"]
    rows = table(
        Shape.INSTRUCTION, {"instruction": "i", "output": " "}, {"input": "only", "output": "o"}, {"output": "o"}
    )
    assert refusals(rows) == ["empty_response", None, "empty_prompt"]


def test_same_prompt_same_hash() -> None:
    out = FormatRows(0).apply(
        table(
            Shape.INSTRUCTION,
            {"instruction": "What is  X?", "output": "1"},
            {"instruction": "what is x?", "output": "2"},
            {"instruction": "what is x?", "input": "y", "output": "2"},
        )
    )
    same = out.column("_same").to_pylist()
    assert same[0] == same[1] != same[2]


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=5), tokens=st.integers(1, 9), least=st.integers(1, 4))
def test_windows_are_substrings_and_weights_count_them(texts: list[str], tokens: int, least: int) -> None:
    batch = table(Shape.TEXT, *[{"text": text, "meta": '{"a": 1}'} for text in texts])
    windows = Windows(tokens, least=least)
    cut = windowed(batch, windows)
    for row, parent in zip(cut.table.to_pylist(), cut.parent, strict=True):
        meta = json.loads(row["meta"])
        begin, end = meta["window"]["chars"]
        assert texts[parent][begin:end] == row["text"]
        assert (meta["a"], row["parent_id"]) == (1, f"s#{parent}")
    weights = FormatRows(0, windows).apply(batch).column("_weight").to_pylist()
    assert [int((cut.parent == at).sum()) for at in range(len(texts))] == weights
