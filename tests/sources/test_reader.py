from __future__ import annotations

import gzip
import json

import pytest

from corpusmith.core.errors import SourceError
from corpusmith.sources import ReadOptions, open_sources


def test_bad_records_are_kept_aside_and_ids_do_not_move(save, read_all):
    lines = [
        '{"text": "good words one", "n": 1}',
        '{"text": "broken',
        "",
        '{"text": 5}',
        '{"n": 3}',
        '{"text": null}',
        "[1, 2]",
        "17",
        '{"text": ""}',
        '"a bare string of words"',
        '{"text": "good words two", "n": NaN}',
    ]
    rows, reader = read_all(save("a.jsonl", "\n".join(lines)))
    assert [(row["row_id"], row["text"]) for row in rows] == [
        ("a.jsonl#0", "good words one"),
        ("a.jsonl#7", ""),
        ("a.jsonl#8", "a bare string of words"),
        ("a.jsonl#9", "good words two"),
    ]
    assert rows[-1]["meta"] == {"n": None}
    assert [(item.position, item.reason) for item in reader.rejects] == [
        (1, "not JSON: unterminated string starting at (column 10)"),
        (2, "the field text is a int, not text: 5"),
        (3, "the field text is missing"),
        (4, "the field text is null"),
        (5, "the record is a list, not an object"),
        (6, "the record is a number, not an object"),
    ]
    assert reader.rejects[0].raw == '{"text": "broken'
    assert (reader.rows, reader.rejected) == (4, 6)


def test_rejects_can_be_taken_as_reading_goes_on(save):
    path = save("a.jsonl", "nonsense\n" * 5000 + '{"text": "a few words"}\n')
    reader = open_sources([str(save("b.jsonl", '{"text": "a few words"}\n')), str(path)])
    taken = []
    for _ in reader.batches():
        assert len(reader.rejects) <= 4096
        taken += reader.take_rejects()
    assert len(taken + reader.take_rejects()) == 5000 == reader.rejected


def test_a_line_over_the_limit_is_kept_aside(save, read_all):
    long = json.dumps({"text": "word " * 1000})
    path = save("a.jsonl", f'{{"text": "one two three"}}\n{long}\n{{"text": "four five six"}}\n{long}')
    rows, reader = read_all(path, options=ReadOptions(max_record_bytes=1000))
    assert [row["row_id"] for row in rows] == ["a.jsonl#0", "a.jsonl#2"]
    assert [item.position for item in reader.rejects] == [1, 3]
    assert all(len(item.raw) == 500 for item in reader.rejects)


def test_large_values_end_a_table_early(save):
    path = save("a.jsonl", (json.dumps({"text": "word " * 1_400_000}) + "\n").encode() * 8)
    tables = list(open_sources([str(path)]).batches())
    assert sum(table.num_rows for table in tables) == 8
    assert max(table.nbytes for table in tables) < 45_000_000


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("a.jsonl", b"no json\nat all\n", "no record of a.jsonl can be read: not JSON"),
        ("a.csv", b"id,text\n", "a.csv holds no record"),
        ("a.json", b"[]", "a.json holds no record"),
        ("a.jsonl", b"\n\n", "a.jsonl holds no record"),
        ("a.parquet", b"PAR1 and nothing", "not a whole Parquet file"),
        ("a.txt.gz", gzip.compress(b"words " * 1000, mtime=0)[:40], "not one of 1 records"),
        ("a.json", b"[" * 200_000, "no record of a.json can be read"),
    ],
)
def test_a_source_without_a_readable_record_is_an_error(name, raw, message, save, read_all):
    with pytest.raises(SourceError, match=message) as caught:
        read_all(save(name, raw))
    assert caught.value.hint


def test_all_rejected_later_is_an_error_too(save, read_all):
    with pytest.raises(SourceError, match=r"not one of 2 records could be read; a\.jsonl#0: the field text is a int"):
        read_all(save("a.jsonl", [{"text": 1, "b": "c"}, {"text": 2, "b": "c"}]), text_field="text")


def test_a_bad_file_beside_good_ones_is_kept_aside_whole(save, tmp_path, read_all):
    save("d/a.jsonl", [{"text": "some words here"}])
    save("d/b.jsonl", "rubbish\nand more\n")
    rows, reader = read_all(tmp_path / "d")
    assert len(rows) == 1
    assert [(item.uri, item.position) for item in reader.rejects] == [("b.jsonl", 0), ("b.jsonl", 1)]


def test_reading_twice_gives_the_same(save):
    reader = open_sources([str(save("a.jsonl", '{"text": "some words"}\nbad\n'))])
    first, second = list(reader.batches()), list(reader.batches())
    assert first[0].equals(second[0])
    assert (reader.rows, reader.rejected, len(reader.rejects)) == (1, 1, 1)


def test_text_files_by_line(save, read_all):
    path = save("a.txt", "first line\r\n\n  \nsecond line")
    rows, _ = read_all(path, options=ReadOptions(lines=True))
    assert [(row["row_id"], row["text"]) for row in rows] == [("a.txt#0", "first line"), ("a.txt#1", "second line")]


def test_json_lines_and_documents_are_told_apart_by_look(save, read_all):
    record = {"text": "a few words", "n": 1}
    for name, content in (
        ("a.json", f"{json.dumps(record)}\n{json.dumps(record)}\n"),
        ("b.jsonl", json.dumps([record, record], indent=2)),
        ("c.jsonl", json.dumps([record, record])),
        ("d.json", json.dumps(record, indent=2) * 2),
    ):
        rows, reader = read_all(save(name, content))
        assert [row["text"] for row in rows] == ["a few words"] * 2
        assert not reader.rejects


def test_meta_is_sorted_json_in_unicode(save):
    path = save("a.jsonl", '{"z": {"b": 1, "a": "é"}, "text": "some words", "b": [1.5, null, true]}')
    [table] = open_sources([str(path)]).batches()
    assert table.column("meta").to_pylist() == ['{"b": [1.5, null, true], "z": {"a": "é", "b": 1}}']
