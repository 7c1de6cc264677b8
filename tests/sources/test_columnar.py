from __future__ import annotations

import datetime
import decimal
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusmith.core.errors import SourceError


def parquet(table: pa.Table, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def test_a_row_group_that_fails_costs_its_own_rows(save, read_all):
    table = pa.table({"text": [f"words of row number {i}" for i in range(30)]})
    raw = bytearray(
        parquet(table, row_group_size=10, use_dictionary=False, write_page_checksum=True, compression="none")
    )
    at = raw.find(b"words of row number 15")
    raw[at : at + 5] = b"WORDS"
    rows, reader = read_all(save("a.parquet", bytes(raw)))
    assert [row["row_id"] for row in rows] == [f"a.parquet#{i}" for i in [*range(10), *range(20, 30)]]
    assert [item.position for item in reader.rejects] == list(range(10, 20))
    assert "row group 1" in reader.rejects[0].reason


def test_a_torn_file_is_kept_aside_beside_good_ones(save, tmp_path, read_all):
    raw = parquet(pa.table({"text": ["words to read here"] * 5}))
    save("d/a.parquet", raw)
    save("d/b.parquet", raw[:-20])
    rows, reader = read_all(tmp_path / "d")
    assert len(rows) == 5
    assert reader.rejects[0].uri == "b.parquet"
    with pytest.raises(SourceError, match="not a whole Parquet file"):
        read_all(tmp_path / "d" / "b.parquet")


def test_every_type_finds_its_way_into_meta(save, read_all):
    table = pa.table(
        {
            "text": ["some words to read"],
            "when": [datetime.datetime(2024, 2, 29, 12, 30)],
            "day": [datetime.date(2024, 2, 29)],
            "price": [decimal.Decimal("1.50")],
            "raw": [b"\xff\x00"],
            "nan": [float("nan")],
            "inf": [float("inf")],
            "tags": [["a", "b"]],
            "inner": [{"x": 1}],
            "none": pa.nulls(1),
        }
    )
    rows, _ = read_all(save("a.parquet", parquet(table)))
    assert rows[0]["meta"] == {
        "when": "2024-02-29T12:30:00", "day": "2024-02-29", "price": "1.50", "raw": "/wA=", "nan": None, "inf": "inf",
        "tags": ["a", "b"], "inner": {"x": 1}, "none": None,
    }  # fmt: skip


def test_strings_that_are_not_utf8_are_repaired(save, read_all):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"the caf\xe9 is closed"], pa.binary()).buffers())
    rows, reader = read_all(save("a.parquet", parquet(pa.table({"text": bad}))))
    assert rows[0]["text"] == "the café is closed"
    assert any("repaired" in note for note in reader.notes)


def test_saved_datasets(tmp_path, read_all):
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_dict({"text": [f"words of row {i}" for i in range(5)], "n": list(range(5))})
    one.save_to_disk(tmp_path / "one")
    rows, _ = read_all(tmp_path / "one")
    assert [(row["row_id"], row["text"], row["meta"]) for row in rows][3] == ("one#3", "words of row 3", {"n": 3})
    both = datasets.DatasetDict({"train": one, "test": one.select([4, 0])})
    both.save_to_disk(tmp_path / "both")
    rows, reader = read_all(tmp_path / "both")
    assert [file.uri for file in reader.files] == ["test", "train"]
    assert [(row["row_id"], row["text"]) for row in rows][:3] == [
        ("test#0", "words of row 4"), ("test#1", "words of row 0"), ("train#0", "words of row 0"),
    ]  # fmt: skip
    assert [row["meta"] for row in rows][:3] == [
        {"n": 4, "split": "test"}, {"n": 0, "split": "test"}, {"n": 0, "split": "train"},
    ]  # fmt: skip


def test_a_damaged_saved_dataset_is_named(tmp_path, save, read_all):
    save("one/state.json", "{}")
    with pytest.raises(SourceError, match="not a whole saved dataset"):
        read_all(tmp_path / "one")
