from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.core.rows import Shape
from corpusmith.ops.splitting import GIVEN, GivenSplit
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.separate import TOOL, SeparateParams

Make = Callable[..., StoredDataset]
LONG = "Say in your own words what the keeper of the old marsh at Aldwick wrote about the herons in the spring"


def pairs(prompts: Sequence[str], splits: Sequence[str]) -> list[dict[str, str]]:
    """Instruction rows with answers of their own."""
    return [
        {"instruction": text, "input": "", "output": f"Answer {n * n + n}.", "meta": json.dumps({"split": split})}
        for n, (text, split) in enumerate(zip(prompts, splits, strict=True))
    ]


@pytest.fixture
def leaky(make_dataset: Make) -> StoredDataset:
    prompts = [f"What is {n} times {n + 3}?" for n in range(17)] + [f"{LONG} of {n}?" for n in (1850, 1851)]
    prompts += ["what is 4 times 7", "What is 16 times 19?", "Who built the bridge?"]
    return make_dataset(pairs(prompts, ["train"] * 18 + ["test"] * 4), Shape.INSTRUCTION, part_rows=7)


def test_rows_of_train_leave_and_the_test_set_stays(leaky: StoredDataset, call_tool: Any) -> None:
    result, made = call_tool(TOOL, SeparateParams(), {"data": leaky})
    ids = set(made.table().column("row_id").to_pylist())
    assert {f"in.jsonl#{n}" for n in range(22)} - ids == {"in.jsonl#4", "in.jsonl#16", "in.jsonl#17"}
    lines = {line["row_id"]: line for line in made.ledger().to_pylist()}
    assert {name: line["kept_row_id"] for name, line in lines.items()} == {
        "in.jsonl#4": "in.jsonl#19", "in.jsonl#16": "in.jsonl#20", "in.jsonl#17": "in.jsonl#18",
    }  # fmt: skip
    assert result.leaking == 3
    assert sum(result.dropped.values()) == 3
    assert result.splits == {"train": 15, "test": 4}


def test_only_exact_copies_where_near_ones_are_wanted(leaky: StoredDataset, call_tool: Any) -> None:
    result, _ = call_tool(TOOL, SeparateParams(near=False), {"data": leaky})
    assert (result.leaking, result.rows_out) == (2, 20)


def test_a_new_split_keeps_every_row_and_the_shares(leaky: StoredDataset, call_tool: Any) -> None:
    result, made = call_tool(TOOL, SeparateParams(action="regroup"), {"data": leaky}, seed=3)
    table = GivenSplit().apply(made.table())
    split = dict(zip(table.column("row_id").to_pylist(), table.column(GIVEN).to_pylist(), strict=True))
    assert len(split) == result.rows_out == 22
    assert abs(result.splits["test"] - 4) <= 2
    for one, other in ((4, 19), (16, 20), (17, 18)):
        assert split[f"in.jsonl#{one}"] == split[f"in.jsonl#{other}"]
    moved = {line["row_id"]: json.loads(line["detail"]) for line in made.ledger().to_pylist()}
    assert len(moved) == result.moved > 0
    assert all(move["to"] == split[row] != move["from"] for row, move in moved.items())
    again, same = call_tool(TOOL, SeparateParams(action="regroup"), {"data": leaky}, seed=3)
    assert same.record.content_digest == made.record.content_digest
    assert again == result
    clean, _ = call_tool(TOOL, SeparateParams(), {"data": made})
    assert (clean.leaking, clean.rows_out) == (0, 22)


def test_too_great_a_loss_is_refused(leaky: StoredDataset, call_tool: Any) -> None:
    with pytest.raises(PreconditionError, match="3 of 18 rows of train") as caught:
        call_tool(TOOL, SeparateParams(most=0.1), {"data": leaky})
    assert "anew" in caught.value.hint


def test_texts_and_preference_pairs_leak_too(make_dataset: Make, call_tool: Any) -> None:
    texts = [{"text": f"{LONG} {n}.", "meta": json.dumps({"split": s})} for n, s in ((1, "train"), (2, "test"))]
    texts += [{"text": f"A text of its own, number {n}.", "meta": '{"split": "train"}'} for n in range(8)]
    result, _ = call_tool(TOOL, SeparateParams(), {"data": make_dataset(texts)})
    assert result.dropped == {"split_leak.text": 1}
    rows = [
        {"prompt": f"Question {n}?", "chosen": f"Yes, {k}.", "rejected": "No.", "meta": json.dumps({"split": s})}
        for n, k, s in [*((n, n, "train") for n in range(6)), (0, 99, "validation")]
    ]
    result, _ = call_tool(TOOL, SeparateParams(), {"data": make_dataset(rows, Shape.PREFERENCE)})
    assert result.dropped == {"split_leak.instruction": 1}
    assert result.splits == {"train": 5, "validation": 1}


@pytest.mark.parametrize("splits", [["train", "train"], ["test", "test"], ["", ""]])
def test_data_without_two_sides_is_refused(make_dataset: Make, call_tool: Any, splits: list[str]) -> None:
    with pytest.raises(PreconditionError, match="no train and test"):
        call_tool(TOOL, SeparateParams(), {"data": make_dataset(pairs(["A?", "B?"], splits), Shape.INSTRUCTION)})


def test_no_rows_are_refused(make_dataset: Make, call_tool: Any) -> None:
    empty = make_dataset(make_dataset(pairs(["A?"], ["train"]), Shape.INSTRUCTION).table().slice(0, 0))
    with pytest.raises(PreconditionError, match="no rows"):
        call_tool(TOOL, SeparateParams(), {"data": empty})
