"""The contract: every format in every compression gives the same rows, and arbitrary text survives."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpusmith.core.errors import UsageError
from corpusmith.core.rows import Shape, schema_of
from corpusmith.sources import open_sources

ROWS = [
    {"text": 'Plain words, with a comma and a "quote" in them.', "id": "1", "lang": "en"},
    {"text": "Two lines:\nhere is the second one; and a tab\tinside.", "id": "2", "lang": "en"},
    {"text": "Grüße, 日本語の文章、emoji 🙂 and a no-break\u00a0space.", "id": "3", "lang": "de"},
    {"text": "", "id": "4", "lang": ""},
    {"text": "The last row | with a pipe, as long as a sentence should be.", "id": "5", "lang": "en"},
]
TABLES = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet"]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", TABLES)
def test_every_format_and_compression_gives_the_same_rows(kind, packing, encode, save, read_all):
    path = save(f"data.{kind}{packing}", encode(kind + packing, ROWS))
    rows, reader = read_all(path)
    assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
    assert [row["meta"] for row in rows] == [{"id": row["id"], "lang": row["lang"]} for row in ROWS]
    assert [row["row_id"] for row in rows] == [f"data.{kind}{packing}#{i}" for i in range(len(ROWS))]
    assert {row["source"] for row in rows} == {path.name}
    assert {row["parent_id"] for row in rows} == {None}
    assert reader.shape is Shape.TEXT
    assert reader.text_field == "text"
    assert not reader.rejects


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize(("kind", "format_"), [("txt", "text"), ("md", "markdown"), ("html", "html")])
def test_a_document_is_one_row(kind, format_, packing, compress, save, read_all):
    text = "<html><p>Grüße,\r\n\nzweite Zeile\n</p>"
    path = save(f"page.{kind}{packing}", compress(packing, text.encode()))
    rows, _ = read_all(path)
    assert [(row["row_id"], row["text"], row["meta"]) for row in rows] == [
        (f"{path.name}#0", text, {"format": format_})
    ]


@pytest.mark.parametrize("rows_per_table", [1, 2, 1000])
def test_tables_have_the_canonical_schema_and_size(rows_per_table, encode, save):
    path = save("data.jsonl", encode("jsonl", ROWS))
    tables = list(open_sources([str(path)]).batches(rows_per_table))
    assert all(table.schema == schema_of(Shape.TEXT) for table in tables)
    assert all(table.num_rows <= rows_per_table for table in tables)
    assert sum(table.num_rows for table in tables) == len(ROWS)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson.gz", "json", "json.zst", "parquet"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, min_size=1, max_size=6))
def test_arbitrary_text_survives(suffix, texts, encode, save, read_all):
    path = save(f"any.{suffix}", encode(suffix, [{"text": text, "n": i} for i, text in enumerate(texts)]))
    rows, reader = read_all(path, text_field="text")
    assert [row["text"] for row in rows] == texts
    assert not reader.rejects


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.zst"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40), min_size=1)
)
def test_arbitrary_text_survives_quoting(suffix, texts, encode, save, read_all):
    path = save(f"any.{suffix}", encode(suffix, [{"n": i, "text": text} for i, text in enumerate(texts)]))
    rows, reader = read_all(path, text_field="text")
    assert [row["text"] for row in rows] == texts
    assert not reader.rejects


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), min_size=1))
def test_arbitrary_documents_survive(text, save, read_all):
    rows, _ = read_all(save("any.txt", text))
    assert [row["text"] for row in rows] == [text]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(min_size=1, max_size=200),
    name=st.sampled_from(["a.txt", "a.jsonl", "a.csv", "a.json", "a.parquet", "a.txt.gz"]),
)
def test_arbitrary_bytes_end_in_rows_or_in_one_clear_error(raw, name, save, read_all):
    path = save(name, raw)
    with contextlib.suppress(UsageError):
        rows, _ = read_all(path)
        assert all(isinstance(row["text"], str) for row in rows)
