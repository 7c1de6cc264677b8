from __future__ import annotations

import pytest

LONG = "a cell of prose that goes on for quite a while " * 4


def texts(rows):
    return [row["text"] for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_delimiter_and_the_line_ends_are_found(delimiter, ending, save, read_all):
    lines = ["id,text,note", "1,some words here,x", "2,other words there,y"]
    rows, reader = read_all(save("a.csv", ending.join(lines).replace(",", delimiter)))
    assert texts(rows) == ["some words here", "other words there"]
    assert rows[1]["meta"] == {"id": "2", "note": "y"}
    assert not reader.rejects


def test_quoted_newlines_delimiters_and_quotes(save, read_all):
    rows, reader = read_all(save("a.csv", 'id,text\n1,"one\n\ntwo, ""three"""\n\n2,"four\r\nfive"\n'))
    assert texts(rows) == ['one\n\ntwo, "three"', "four\r\nfive"]
    assert [row["row_id"] for row in rows] == ["a.csv#0", "a.csv#1"]
    assert not reader.rejects


def test_rows_with_a_wrong_number_of_fields_are_kept_aside(save, read_all):
    rows, reader = read_all(save("a.csv", "id,text\n1,good words one\n2\n3,a,b\n4,good words two\n"))
    assert [row["row_id"] for row in rows] == ["a.csv#0", "a.csv#3"]
    assert [(item.position, item.reason) for item in reader.rejects] == [
        (1, "1 fields where the header has 2"),
        (2, "3 fields where the header has 2"),
    ]
    assert reader.rejects[1].raw == "3,a,b"


@pytest.mark.parametrize("where", ["middle", "last"])
def test_a_quote_that_never_closes_costs_one_row(where, save, read_all):
    lines = [f'{i},"words of row {i}"\n' for i in range(50)]
    lines[20 if where == "middle" else 49] = '20,"he said\n'
    rows, reader = read_all(save("a.csv", "id,text\n" + "".join(lines)))
    assert len(rows) == 49
    assert [item.raw for item in reader.rejects] == ['20,"he said']


def test_text_after_a_closing_quote_is_read_as_meant(save, read_all):
    good = '1,"words in quotes"\n' * 5
    rows, reader = read_all(save("a.csv", "id,text\n" + good + '2,"some" more words\n' + good))
    assert texts(rows)[5] == "some more words"
    assert not reader.rejects


def test_backslash_quotes(save, read_all):
    rows, _ = read_all(
        save("a.csv", 'id,text\n1,"he said \\"no, never\\" and left"\n' * 1 + '2,"and \\"so, on\\""\n' * 5)
    )
    assert texts(rows)[:2] == ['he said "no, never" and left', 'and "so, on"']


def test_a_tsv_without_quoting_keeps_its_quotes(save, read_all):
    rows, reader = read_all(save("a.tsv", 'id\ttext\n1\t"open and words\n2\tmore "words" here\n3\tplain words here\n'))
    assert texts(rows) == ['"open and words', 'more "words" here', "plain words here"]
    assert not reader.rejects


def test_one_column_keeps_its_commas(save, read_all):
    rows, reader = read_all(save("a.csv", "text\none, two, three words\nplain words only\n"))
    assert texts(rows) == ["one, two, three words", "plain words only"]
    assert not reader.rejects


def test_headers_that_repeat_or_lack_a_name(save, read_all):
    rows, reader = read_all(save("a.csv", "text,,text\nsome words here,a,b\n"))
    assert rows[0]["meta"] == {"column_1": "a", "text_2": "b"}
    assert any("two columns are called 'text'" in note for note in reader.notes)


def test_a_file_without_a_header(save, read_all):
    rows, reader = read_all(save("a.csv", f'1,"{LONG}"\n2,"{LONG}"\n'))
    assert [row["text"] for row in rows] == [LONG, LONG]
    assert any("no header line" in note for note in reader.notes)


def test_cells_longer_than_the_csv_modules_limit(save, read_all):
    rows, _ = read_all(save("a.csv", "id,text\n1," + "word " * 60_000 + "\n"))
    assert len(rows[0]["text"]) == 300_000


def test_a_record_longer_than_the_sample_is_one_record(save, read_all):
    article = "\n".join(f'line {i}, with "commas", of words' for i in range(20_000))
    quoted = article.replace('"', '""')
    rows, reader = read_all(save("a.csv", f'id,text\n1,"{quoted}"\n2,"{quoted}"\n'))
    assert texts(rows) == [article, article]
    assert not reader.rejects
