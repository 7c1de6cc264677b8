from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from corpusmith.core.brief import Splits
from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.tools import format_shuffle
from corpusmith.tools.format import TOOL, FormatParams


def text_of(n: int) -> str:
    draw = random.Random(n)
    return " ".join(f"w{draw.randrange(5000)}" for _ in range(30)) + "."


def texts(count: int) -> list[dict[str, Any]]:
    """Every fifth row is the row before it with two words more."""
    return [
        {"text": text_of(n - 1) + " And so." if n % 5 == 4 else text_of(n), "meta": json.dumps({"author": f"a{n % 7}"})}
        for n in range(count)
    ]


def pairs(count: int) -> list[dict[str, Any]]:
    return [
        {"instruction": f"Say {n // 2}.", "input": f"given {n}" if n % 3 else "", "output": text_of(n)}
        for n in range(count)
    ]


SPLIT = Splits(train=0.8, validation=0.1, test=0.1)


def members(out: Any) -> dict[str, str]:
    table = out.table(["row_id", "split"])
    return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))


@pytest.mark.parametrize("part_rows", [None, 13])
def test_no_row_is_lost_groups_stay_together_and_parts_do_not_matter(
    make_dataset, call_tool, part_rows, monkeypatch
) -> None:
    data = make_dataset(texts(200), part_rows=part_rows)
    if part_rows:
        monkeypatch.setattr(format_shuffle, "BUCKET_BYTES", 4096)
    result, out = call_tool(TOOL, FormatParams(splits=SPLIT), {"data": data}, seed=5)
    _, plain = call_tool(TOOL, FormatParams(splits=SPLIT), {"data": make_dataset(texts(200))}, seed=5)
    assert out.record.content_digest == plain.record.content_digest
    where = members(out)
    assert sorted(where) == sorted(data.table(["row_id"]).column(0).to_pylist())
    assert all(where[f"in.jsonl#{n}"] == where[f"in.jsonl#{n - 1}"] for n in range(4, 200, 5))
    assert result.splits == dict(Counter(where.values()))
    assert abs(result.splits["test"] - 20) <= 2
    assert abs(result.splits["validation"] - 20) <= 2
    assert (result.groups, result.largest_group) == (160, 2)
    order = [int(name.split("#")[1]) for name, split in where.items() if split == "train"]
    assert order != sorted(order)


def test_the_seed_decides(make_dataset, call_tool) -> None:
    data = make_dataset(texts(60))
    digests = [
        call_tool(TOOL, FormatParams(splits=SPLIT), {"data": data}, seed=seed)[1].record.content_digest
        for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_rows_of_one_value_stay_together(make_dataset, call_tool) -> None:
    params = FormatParams(splits=Splits(train=0.5, test=0.5), group_by="author", group_near=False)
    result, out = call_tool(TOOL, params, {"data": make_dataset(texts(70))})
    seen: dict[str, set[str]] = {}
    for row in out.table(["meta", "split"]).to_pylist():
        seen.setdefault(json.loads(row["meta"])["author"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in seen.values())
    assert result.groups == 7


def test_parquet_jsonl_and_card(make_dataset, call_tool) -> None:
    data = make_dataset(pairs(50), shape=Shape.INSTRUCTION)
    for files in ("parquet", "jsonl"):
        params = FormatParams(
            template="messages", files=files, splits=SPLIT, name="pairs | <b>", languages=("en",), license="mit",
            steps=({"tool": "dedup", "rows_in": 60, "rows_out": 50},),
            gates=({"metric": "rows", "op": ">=", "target": 10, "value": 50.0, "passed": True},),
        )  # fmt: skip
        result, out = call_tool(TOOL, params, {"data": data})
        folder = out.file("export")
        got = {path.stem: read(path) for path in folder.iterdir() if path.suffix != ".md"}
        assert {name: len(rows) for name, rows in got.items()} == result.splits
        row = got["train"][0]
        assert row["messages"][1]["content"] in {p["output"] for p in pairs(50)}
        assert [r["row_id"] for r in got["train"]] == [i for i, split in members(out).items() if split == "train"]
        card = (folder / "README.md").read_text()
        front = yaml.safe_load(card.split("---")[1])
        assert front["configs"][0]["data_files"] == [
            {"split": s, "path": f"{s}.{files}"} for s in ("train", "validation", "test")
        ]
        assert (front["license"], front["language"], front["size_categories"]) == ("mit", ["en"], ["n<1K"])
        assert "**dedup**" in card
        assert "`rows`" in card
        assert "<b>" not in card.split("---", 2)[2]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_with_one_prompt_stay_together(make_dataset, call_tool) -> None:
    params = FormatParams(template="alpaca", splits=Splits(train=0.6, test=0.4), group_near=False)
    _, out = call_tool(
        TOOL, params, {"data": make_dataset([{**p, "input": ""} for p in pairs(60)], shape=Shape.INSTRUCTION)}
    )
    seen: dict[str, set[str]] = {}
    for row in out.table(["instruction", "split"]).to_pylist():
        seen.setdefault(row["instruction"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in seen.values())


def test_hub_metadata_and_loaders_accept_the_export(make_dataset, call_tool, tmp_path) -> None:
    from datasets import load_dataset, load_from_disk
    from huggingface_hub import DatasetCard

    data = make_dataset(pairs(40), shape=Shape.INSTRUCTION)
    result, out = call_tool(TOOL, FormatParams(template="messages", files="hf", splits=SPLIT), {"data": data})
    folder = out.file("export")
    loaded = load_from_disk(str(folder))
    assert {name: len(split) for name, split in loaded.items()} == result.splits
    assert loaded["train"][0]["messages"][0]["role"] == "user"
    assert DatasetCard.load(folder / "README.md").data.license == "unknown"
    _, out = call_tool(TOOL, FormatParams(template="messages", splits=SPLIT), {"data": data})
    again = load_dataset(str(out.file("export")), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in again.items()} == result.splits
    assert again["test"]["row_id"] == loaded["test"]["row_id"]


def test_the_cache_of_datasets_never_serves_another_export(make_dataset, call_tool, tmp_path) -> None:
    from datasets import load_dataset

    read = []
    for start in (0, 40, 0):
        data = make_dataset([{"text": text_of(n)} for n in range(start, start + 40)])
        _, out = call_tool(TOOL, FormatParams(splits=SPLIT), {"data": data})
        loaded = load_dataset(str(out.file("export")), cache_dir=str(tmp_path / "cache"))
        read.append(sorted(text for split in loaded.values() for text in split["text"]))
        assert read[-1] == sorted(row for row in out.table(["text"])["text"].to_pylist())
    assert read[0] == read[2] != read[1]


def test_preference_refuses_pairs_that_teach_nothing(make_dataset, call_tool) -> None:
    rows = [
        {
            "prompt": f"p{n}",
            "chosen": "yes, because it holds",
            "rejected": "yes, because it holds" if n % 4 == 0 else "no",
        }
        for n in range(20)
    ]
    rows[1]["rejected"] = ""
    data = make_dataset(rows, shape=Shape.PREFERENCE)
    result, out = call_tool(TOOL, FormatParams(template="preference"), {"data": data})
    assert result.dropped == {"identical_pair": 5, "empty_response": 1}
    assert result.splits == {"train": 14}
    assert out.ledger().num_rows == 6
    assert pq.read_table(out.file("export") / "train.parquet").column_names[:3] == ["prompt", "chosen", "rejected"]
    assert "identical_pair" in (out.file("export") / "README.md").read_text()


def test_windows_are_derived_rows_and_whole_documents_go_to_one_split(make_dataset, call_tool) -> None:
    rows = [" ".join(f"w{n}x{k}" for k in range(5 + 7 * n)) for n in range(30)] + ["a b", ""]
    data = make_dataset(rows)
    params = FormatParams(template="windows", window_tokens=16, window_min_tokens=4, splits=Splits(train=0.5, test=0.5))
    result, out = call_tool(TOOL, params, {"data": data})
    table = out.table().to_pylist()
    text = {f"in.jsonl#{n}": row for n, row in enumerate(rows)}
    seen: dict[str, set[str]] = {}
    for row in table:
        assert row["text"] in text[row["parent_id"]]
        seen.setdefault(row["parent_id"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in seen.values())
    assert result.dropped["no_window"] == 2
    lines = out.ledger().to_pylist()
    dropped = {line["row_id"] for line in lines if line["rule"] == "no_window"}
    used = {line["row_id"]: line["value"] for line in lines if line["rule"] == "format.windows"}
    assert used == Counter(row["parent_id"] for row in table)
    assert set(used) | dropped == set(text)
    assert {line["row_id"] for line in lines if line["action"] == "derive"} == {row["row_id"] for row in table}
    tails = [line for line in lines if line["rule"] == "short_tail"]
    assert all(line["value"] < line["threshold"] == 4 for line in tails)
    kept = sum(len(row["text"].split()) for row in table)
    assert kept + sum(line["value"] for line in tails) == sum(len(row.split()) for row in rows[:30])


def test_a_split_that_is_there_is_kept(make_dataset, call_tool) -> None:
    _, out = call_tool(TOOL, FormatParams(splits=SPLIT), {"data": make_dataset(texts(50))}, seed=1)
    _, again = call_tool(TOOL, FormatParams(files="jsonl"), {"data": out}, seed=1)
    assert members(again) == members(out)
    assert list(members(again)) == list(members(out))


def test_what_does_not_fit_is_refused(make_dataset, call_tool) -> None:
    data = make_dataset(texts(3))
    with pytest.raises(ParameterError, match="generate"):
        call_tool(TOOL, FormatParams(template="messages"), {"data": data})
    with pytest.raises(ParameterError, match="sum to"):
        call_tool(TOOL, FormatParams(splits=Splits(train=0.5)), {"data": data})
    with pytest.raises(ParameterError, match="window_stride"):
        call_tool(TOOL, FormatParams(template="windows", window_tokens=8, window_stride=9), {"data": data})


@pytest.mark.parametrize("files", ["parquet", "jsonl", "hf"])
def test_a_split_that_cannot_be_filled_is_an_empty_file_and_a_note(make_dataset, call_tool, files: str) -> None:
    result, out = call_tool(TOOL, FormatParams(files=files, splits=SPLIT), {"data": make_dataset(texts(1))})
    assert result.splits == {"train": 1, "validation": 0, "test": 0}
    assert len(result.notes) == 2
    assert {path.name.split(".")[0] for path in out.file("export").iterdir()} >= {"train", "validation", "test"}
    assert "too few groups" in (out.file("export") / "README.md").read_text()


@pytest.mark.parametrize("template", ["text", "windows"])
def test_data_without_rows_gives_empty_files(make_dataset, call_tool, template: str) -> None:
    data = make_dataset(make_dataset(texts(1)).table().slice(0, 0))
    result, out = call_tool(TOOL, FormatParams(template=template, splits=SPLIT), {"data": data})
    assert result.rows_out == out.rows == 0
    assert pq.read_table(out.file("export") / "train.parquet").num_rows == 0


def test_a_split_that_the_rows_came_with_is_kept(make_dataset, call_tool):
    rows = [
        {"text": f"A plain sentence, number {n}.", "meta": json.dumps({"split": s})}
        for n, s in enumerate(["train", "test", "dev"])
    ]
    result, made = call_tool(TOOL, FormatParams(), {"data": make_dataset(rows)})
    assert result.splits == {"train": 1, "validation": 1, "test": 1}
    by_row = dict(zip(made.table().column("row_id").to_pylist(), made.table().column("split").to_pylist(), strict=True))
    assert by_row == {"in.jsonl#0": "train", "in.jsonl#1": "test", "in.jsonl#2": "validation"}


def test_what_a_given_split_lacks_is_drawn_from_its_train_by_group(make_dataset, call_tool) -> None:
    given = ["test" if n % 10 == 0 else "train" for n in range(200)]
    rows = [{**row, "meta": json.dumps({"split": split})} for row, split in zip(texts(200), given, strict=True)]
    result, out = call_tool(TOOL, FormatParams(held_out_frac=0.1), {"data": make_dataset(rows)}, seed=5)
    where = members(out)
    assert {name for name, split in where.items() if split == "test"} == {f"in.jsonl#{n}" for n in range(0, 200, 10)}
    assert abs(result.splits["validation"] - 18) <= 2
    pairs = [(f"in.jsonl#{n}", f"in.jsonl#{n - 1}") for n in range(4, 200, 5) if n % 10 and (n - 1) % 10]
    assert all(where[one] == where[other] for one, other in pairs)
    card = (out.file("export") / "README.md").read_text()
    assert "It came without validation" in card
    whole, _ = call_tool(TOOL, FormatParams(), {"data": make_dataset(rows)}, seed=5)
    assert whole.splits == {"train": 180, "test": 20}
