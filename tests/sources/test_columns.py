from __future__ import annotations

import pytest

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.sources.columns import MISSING, get, resolve, take, text_columns

ARTICLE = {
    "content": {"Title": "On a long walk", "Content": "We walked for hours along the river. " * 20, "language": "en"},
    "platform": "medium",
    "link": "https://example.org/a/very/long/link/that/goes/on/and/on/and/on/and/on/and/on/and/on/and/on",
    "_id": "a964f3ac-e92f-4fcb-847a-a46da3d697d9",
}


def test_get_and_take_follow_dots_lists_and_names_with_dots():
    record = {"a.b": 1, "a": {"b": {"c": 2}, "d": 3}, "l": [{"x": 4}]}
    assert [get(record, path) for path in ("a.b", "a.b.c", "l.0.x")] == [1, 2, 4]
    assert get(record, "l.1.x") is MISSING
    assert get(record, "a.d.e") is MISSING
    assert take(record, "a.b.c") == 2
    assert take(record, "a.d") == 3
    assert record == {"a.b": 1, "l": [{"x": 4}]}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("content.Content", "content.Content"),
        ("CONTENT.content", "content.Content"),
        ("language", "content.language"),
        ("content", "content"),
        ("title.content", None),
        ("nothing", None),
    ],
)
def test_resolve(name, path):
    assert resolve(name, ["content.Title", "content.Content", "content.language", "platform"]) == path


@pytest.mark.parametrize(
    ("records", "path"),
    [
        ([ARTICLE] * 3, "content.Content"),
        ([{"title": "A longer title than the text itself", "text": "Short."}] * 3, "text"),
        ([{"url": "https://example.org/" + "a" * 200, "nb": "Words that are read by people."}], "nb"),
        ([{"hash": "ab" * 40, "bemerkung": "Ein Satz mit einigen Wörtern."}], "bemerkung"),
        ([{"id": str(i), "zh": "这是一个中文句子，用来测试。"} for i in range(9)], "zh"),
        ([{"paragraphs": ["One paragraph of words.", "And another one."], "n": 1}], "paragraphs"),
    ],
)
def test_the_text_is_found_by_name_and_by_look(records, path):
    assert text_columns(records)[0].path == path


def test_labels_are_no_text():
    records = [{"label": "quite a long label", "n": i} for i in range(100)]
    assert text_columns(records) == []


def test_the_decision_is_told_in_words(save, read_all):
    rows, reader = read_all(save("a.jsonl", [ARTICLE] * 2))
    assert rows[0]["text"] == ARTICLE["content"]["Content"]
    assert rows[0]["meta"]["content"] == {"Title": "On a long walk", "language": "en"}
    assert reader.text_field == "content.Content"
    assert "'content.Content', which is named like a text" in reader.notes[0]
    assert "content.Title" in reader.notes[0]


def test_shards_of_one_corpus_take_the_same_column(save, tmp_path, read_all):
    long, short = "many words in a row " * 9, "a few words here"
    save("d/1.jsonl", [{"a": long, "b": short}] * 5)
    save("d/2.jsonl", [{"a": long, "b": short}] * 5)
    save("d/3.jsonl", [{"a": short, "b": "many words in a row " * 3}] * 2)
    rows, reader = read_all(tmp_path / "d")
    assert reader.text_field == "a"
    assert rows[-1]["text"] == short


def test_a_column_that_is_not_there_names_those_that_are(save, read_all):
    path = save("a.jsonl", [ARTICLE])
    with pytest.raises(ParameterError, match=r"no column 'content.Contnt' in a\.jsonl") as caught:
        read_all(path, text_field="content.Contnt")
    assert "content.Title" in caught.value.hint
    assert "Did you mean content.Content?" in caught.value.hint


def test_files_without_text_are_skipped_beside_others_and_refused_alone(save, tmp_path, read_all):
    save("d/users.jsonl", [{"first": "Ada", "n": 1}] * 30)
    save("d/posts.jsonl", [{"text": "some words to read"}])
    rows, reader = read_all(tmp_path / "d")
    assert len(rows) == 1
    assert reader.skipped[0].uri == "users.jsonl"
    assert "no text column; its columns: first, n" in reader.skipped[0].reason
    with pytest.raises(SourceError, match="first, n") as caught:
        read_all(tmp_path / "d" / "users.jsonl")
    assert "text_field" in caught.value.hint
