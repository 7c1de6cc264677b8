from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.rows import set_column
from corpusmith.tools.sample import TOOL, SampleParams


def rows_of(count: int) -> list[dict[str, Any]]:
    kinds = ["news"] * 6 + ["blog"] * 3 + ["code"]
    return [
        {
            "text": f"word {n} and more. " * (1 + n % 5),
            "meta": json.dumps({"kind": kinds[n % 10], "price": n, "w": n % 3}),
        }
        for n in range(count)
    ]


def ids(data: Any) -> list[str]:
    return data.table(["row_id"]).column(0).to_pylist() if data.rows else []


def kinds_of(data: Any) -> Counter[str]:
    return Counter(json.loads(meta)["kind"] for meta in data.table(["meta"]).column(0).to_pylist())


DRAWS = [
    {"method": "random", "rows": 30},
    {"method": "random", "share": 0.3},
    {"method": "stratified", "rows": 30, "field": "kind"},
    {"method": "stratified", "cap": 8, "field": "kind"},
    {"method": "equal", "rows": 30, "field": "kind"},
    {"method": "weighted", "rows": 30, "field": "kind", "weights": {"news": 1}, "default_weight": 5},
    {"method": "weighted", "rows": 30, "field": "kind", "alpha": 0.3},
    {"method": "weighted", "rows": 30, "weight_field": "w"},
    {"method": "token_budget", "tokens": 200},
    {"method": "number_slots", "field": "price", "cap": 1, "slot_width": 10, "keep_above": 60,
     "weights": {"news": 5}, "category_field": "kind"},
    {"method": "number_slots", "field": "price", "rows": 20},
]  # fmt: skip


@pytest.mark.parametrize("params", DRAWS, ids=lambda p: "-".join(map(str, p.values()))[:40])
def test_kept_and_ledger_are_the_input_whatever_the_parts(make_dataset, call_tool, params: dict[str, Any]) -> None:
    rows = rows_of(100)
    whole, parts = make_dataset(rows), make_dataset(rows, part_rows=7)
    result, out = call_tool(TOOL, SampleParams(**params), {"data": whole}, seed=3)
    _, again = call_tool(TOOL, SampleParams(**params), {"data": parts}, seed=3)
    _, other = call_tool(TOOL, SampleParams(**params), {"data": parts}, seed=4)
    assert out.record.content_digest == again.record.content_digest
    assert ids(other) != ids(out)
    gone = out.ledger()
    assert set(gone.column("action").to_pylist()) == {"drop"}
    assert sorted(ids(out) + gone.column("row_id").to_pylist()) == sorted(ids(whole))
    assert ids(out) == [i for i in ids(whole) if i in set(ids(out))]
    assert result.rows_out == out.rows < result.rows_in == 100
    assert result.dropped == dict(Counter(gone.column("rule").to_pylist()))


def test_shares_of_strata(make_dataset, call_tool) -> None:
    data = make_dataset(rows_of(100))
    _, out = call_tool(TOOL, SampleParams(method="stratified", rows=50, field="kind"), {"data": data})
    assert kinds_of(out) == {"news": 30, "blog": 15, "code": 5}
    _, out = call_tool(TOOL, SampleParams(method="equal", rows=30, field="kind"), {"data": data})
    assert kinds_of(out) == {"news": 10, "blog": 10, "code": 10}


def test_the_token_budget_is_reported_and_long_rows_named(make_dataset, call_tool) -> None:
    data = make_dataset(["one two three", "four five", "six " * 50])
    result, out = call_tool(TOOL, SampleParams(method="token_budget", tokens=6), {"data": data})
    assert (result.tokens_in, result.tokens_out) == (55, 5)
    assert result.dropped == {"sample.over_budget": 1}
    assert out.rows == 2


def test_weight_field_never_draws_weight_zero(make_dataset, call_tool) -> None:
    _, out = call_tool(
        TOOL, SampleParams(method="weighted", rows=100, weight_field="w"), {"data": make_dataset(rows_of(90))}
    )
    assert out.rows == 60


@pytest.mark.parametrize(
    "params",
    [
        {"method": "random"},
        {"method": "stratified", "rows": 3},
        {"method": "weighted", "rows": 3},
        {"method": "token_budget"},
        {"method": "weighted", "field": "kind", "rows": 3, "weights": {"a": -1.0}},
    ],
)
def test_what_cannot_be_drawn_is_refused(make_dataset, call_tool, params: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        call_tool(TOOL, SampleParams(**params), {"data": make_dataset(rows_of(5))})


@pytest.mark.parametrize("method", ["undersample", "oversample", "cap_median"])
def test_balancing_before_the_split_is_refused(make_dataset, call_tool, method: str) -> None:
    with pytest.raises(PreconditionError, match="already split"):
        call_tool(TOOL, SampleParams(method=method, field="kind"), {"data": make_dataset(rows_of(5))})


def split_table(make_dataset: Any, part_rows: int | None = None) -> Any:
    table = make_dataset(rows_of(100)).table()
    split = ["test" if n >= 80 else "train" for n in range(100)]  # train: 48 news, 24 blog, 8 code
    return make_dataset(set_column(table, "split", pa.array(split, pa.large_string())), part_rows=part_rows)


@pytest.mark.parametrize(
    ("method", "each"), [("undersample", (8, 8, 8)), ("cap_median", (24, 24, 8)), ("oversample", (48, 48, 48))]
)
def test_balancing_touches_train_only(make_dataset, call_tool, method: str, each: tuple[int, ...]) -> None:
    data = split_table(make_dataset)
    params = SampleParams(method=method, field="kind")
    result, out = call_tool(TOOL, params, {"data": data})
    _, parts = call_tool(TOOL, params, {"data": split_table(make_dataset, 9)})
    assert out.record.content_digest == parts.record.content_digest
    rows = out.table().to_pylist()
    train = Counter(json.loads(r["meta"])["kind"] for r in rows if r["split"] == "train")
    assert tuple(train[k] for k in ("news", "blog", "code")) == each
    assert [r["row_id"] for r in rows if r["split"] == "test"] == ids(data)[80:]
    assert result.rows_out == out.rows == len(rows)
    actions = Counter(out.ledger().column("action").to_pylist())
    assert actions == ({"derive": result.copies} if method == "oversample" else {"drop": 100 - out.rows})


def test_copies_are_derived_rows_beside_their_parent(make_dataset, call_tool) -> None:
    result, out = call_tool(
        TOOL, SampleParams(method="oversample", field="kind", max_copies=2), {"data": split_table(make_dataset)}
    )
    rows = out.table().to_pylist()
    assert len({r["row_id"] for r in rows}) == len(rows)
    made = [r for r in rows if "~copy." in r["row_id"]]
    assert len(made) == result.copies == 24 + 2 * 8
    by_id = {r["row_id"]: r for r in rows}
    assert all(by_id[r["parent_id"]]["text"] == r["text"] and r["row_id"].startswith(r["parent_id"]) for r in made)
    assert np.bincount([sum(m["parent_id"] == i for m in made) for i in by_id]).tolist()[1:] == [24, 8]


def test_an_empty_dataset_stays_empty(make_dataset, call_tool) -> None:
    data = make_dataset(make_dataset(rows_of(1)).table().slice(0, 0))
    for params in DRAWS:
        result, out = call_tool(TOOL, SampleParams(**params), {"data": data})
        assert result.rows_out == out.rows == 0
