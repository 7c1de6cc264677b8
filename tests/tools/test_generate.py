from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.tools.format import TOOL as FORMAT
from corpusmith.tools.format import FormatParams
from corpusmith.tools.generate import TOOL, GenerateParams


def doc(n: int) -> dict[str, Any]:
    long = f"It says of item {n} what is to be said about it, at some length, so that it can be an answer."
    text = (
        f"# Title {n} of the series\n\nThe opening. {long}\n\n## Training\n\nHere is how. {long}\n\n"
        f"## How to stop\n\nStop early. {long}\n\n## Training\n\nOnce more. {long} Indeed.\n"
    )
    return {"text": text, "meta": json.dumps({"title": f"Title {n} of the series", "n": n})}


def corpus() -> list[Any]:
    return [doc(n) for n in range(20)] + ["Nothing to ask here.", "", doc(3)]


@pytest.mark.parametrize("kind", ["instruction", "preference"])
def test_answers_are_verbatim_and_every_row_is_explained(make_dataset, call_tool, kind: str) -> None:
    data = make_dataset(corpus())
    result, out = call_tool(TOOL, GenerateParams(kind=kind, max_per_row=6), {"data": data}, seed=2)
    _, parts = call_tool(
        TOOL, GenerateParams(kind=kind, max_per_row=6), {"data": make_dataset(corpus(), part_rows=3)}, seed=2
    )
    _, other = call_tool(TOOL, GenerateParams(kind=kind, max_per_row=6), {"data": data}, seed=3)
    assert out.record.content_digest == parts.record.content_digest != other.record.content_digest
    texts = dict(zip(*data.table(["row_id", "text"]).to_pydict().values(), strict=True))
    rows = out.table().to_pylist()
    asks, answers = ("instruction", "output") if kind == "instruction" else ("prompt", "chosen")
    assert out.shape.value == kind
    for row in rows:
        meta = json.loads(row["meta"])
        begin, end = meta["generated_by"]["chars"]
        assert texts[row["parent_id"]][begin:end] == row[answers]
        assert meta["generated"] is True
        assert "n" in meta
        assert row["row_id"].startswith(row["parent_id"] + ("~qa." if kind == "instruction" else "~pref."))
        assert row["text"].startswith(row[asks])
        if kind == "preference":
            assert row["rejected"] in texts[row["parent_id"]]
            assert row["rejected"].strip() != row["chosen"].strip()
    assert len({row[asks] for row in rows}) == len(rows) == len({row[answers] for row in rows})
    lines = out.ledger().to_pylist()
    by_action = Counter(line["action"] for line in lines)
    assert {line["row_id"] for line in lines if line["action"] == "derive"} == {row["row_id"] for row in rows}
    explained = {line["row_id"] for line in lines if line["rule"] in ("generate.used", "generate.no_pair")}
    assert explained == set(texts)
    assert {row["parent_id"] for row in rows} == {line["row_id"] for line in lines if line["action"] == "mark"}
    assert result.without_pair == 3
    assert by_action["drop"] == result.without_pair + result.repeated
    assert sum(result.by_template.values()) == result.rows_out == len(rows)
    assert sum(result.by_corruption.values()) == (len(rows) if kind == "preference" else 0)


def test_pairs_per_row_are_bounded(make_dataset, call_tool) -> None:
    result, out = call_tool(TOOL, GenerateParams(max_per_row=1), {"data": make_dataset(corpus())})
    assert max(Counter(out.table(["parent_id"]).column(0).to_pylist()).values()) == 1
    assert result.rows_out == 20


def test_pairs_can_be_formatted_and_split(make_dataset, call_tool) -> None:
    _, out = call_tool(TOOL, GenerateParams(), {"data": make_dataset(corpus())})
    splits = {"train": 0.5, "test": 0.5}
    result, done = call_tool(FORMAT, FormatParams(template="messages", splits=splits, group_near=False), {"data": out})
    assert result.rows_out == out.rows
    where: dict[str, set[str]] = {}
    for row in done.table(["parent_id", "split"]).to_pylist():
        where.setdefault(row["parent_id"], set()).add(row["split"])
    assert all(len(split) == 1 for split in where.values())


def test_what_cannot_be_asked_is_refused(make_dataset, call_tool) -> None:
    pairs = make_dataset([{"instruction": "a", "output": "b"}], shape=Shape.INSTRUCTION)
    with pytest.raises(ParameterError, match="text rows"):
        call_tool(TOOL, GenerateParams(), {"data": pairs})
    data = make_dataset(corpus())
    with pytest.raises(ParameterError, match="topic"):
        call_tool(TOOL, GenerateParams(phrases={"heading": ("Explain.",)}), {"data": data})
    with pytest.raises(ParameterError, match="max_chars"):
        call_tool(TOOL, GenerateParams(min_chars=200, max_chars=100), {"data": data})
