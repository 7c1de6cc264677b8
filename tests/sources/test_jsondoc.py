from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import Encoding
from corpusmith.sources.items import Bad, FileReport, ReadOptions
from corpusmith.sources.jsondoc import _Window, read_json

WORDS = "some words to be read"


def parse(text, max_record_bytes=1 << 26):
    import io

    stream = ByteStream(io.BytesIO(text.encode()), 1 << 30)
    report = FileReport()
    return list(read_json(stream, Encoding("utf-8"), ReadOptions(max_record_bytes=max_record_bytes), report)), report


@pytest.mark.parametrize(
    ("document", "records"),
    [
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        (["x", "y"], [{"text": "x"}, {"text": "y"}]),
        ({"data": [{"a": 1}], "version": 2}, [{"a": 1, "json_path": "data"}]),
        (
            {"train": {"x": {"samples": [{"a": 1}]}}, "test": {"x": {"samples": [{"a": 2}]}}},
            [{"a": 1, "json_path": "train.x.samples"}, {"a": 2, "json_path": "test.x.samples"}],
        ),
        ({"text": ["x", "y"], "n": [1, 2]}, [{"text": "x", "n": 1}, {"text": "y", "n": 2}]),
        ({"text": {"0": "x", "1": "y"}, "n": {"0": 1, "1": 2}}, [{"text": "x", "n": 1}, {"text": "y", "n": 2}]),
        (
            {"k1": {"a": 1, "b": 2}, "k2": {"a": 3, "b": 4}},
            [{"key": "k1", "a": 1, "b": 2}, {"key": "k2", "a": 3, "b": 4}],
        ),
        ({"title": "T", "body": WORDS}, [{"title": "T", "body": WORDS}]),
        ({"text": WORDS, "authors": [{"name": "A"}]}, [{"text": WORDS, "authors": [{"name": "A"}]}]),
        ({"messages": [{"role": "user", "content": "x"}]}, [{"messages": [{"role": "user", "content": "x"}]}]),
        ({"content": {"Content": WORDS}}, [{"content": {"Content": WORDS}}]),
        ([], []),
        ({"data": []}, []),
    ],
)
def test_documents(document, records):
    assert parse(json.dumps(document))[0] == records
    assert parse(json.dumps(document, indent=2))[0] == records


def test_fields_around_the_records_are_named():
    _, report = parse('{"version": 1, "data": [{"a": 1}], "by": "us"}')
    assert report.remarks == ["fields around the list of records are left out: by, version"]


def test_concatenated_and_pretty_printed_objects():
    assert parse('{"a":\n 1}\n{"a":\n 2}')[0] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[{"a": 1}, {"a": 2, "b": }, {"a": 3}]', [1, 3]),
        ('[{"a": 1}, {"a": "it\'s "quoted" so"}, {"a": 3}]', [1, 3]),
        ('[{"a": 1}, {"a": "never closed}, {"a": 3}, {"a": 4}]', [1, 3, 4]),
        ('[{"a": 1}, {"a": 2, "x": [{"y": 1}, {"y": 2}], }}, {"a": 3}]', [1, 3]),
        ('[{"a": 1}, {"a": 2}, {"a":', [1, 2]),
        ('[{"a": 1}, {"a": 2}', [1, 2]),
        ('[{"a": 1}, 7, {"a": 2}]', [1, 2]),
    ],
)
def test_what_is_broken_costs_itself_only(text, good):
    items, _ = parse(text)
    assert [item["a"] for item in items if not isinstance(item, Bad)] == good
    assert sum(isinstance(item, Bad) for item in items) >= 1


def test_an_object_that_ends_too_soon_is_kept_aside():
    [item] = parse('{"text": "a b c", "x": ')[0]
    assert isinstance(item, Bad)


def test_deep_nesting_is_a_bad_record_not_a_crash():
    items, _ = parse('[{"a": 1}, ' + "[" * 100_000 + "]" * 100_000 + ', {"a": 2}]')
    assert items[0] == {"a": 1}
    assert isinstance(items[1], Bad)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=3), max_size=5),
    cut=st.integers(1, 40),
)
def test_a_window_of_any_size_reads_the_same(records, cut):
    text = json.dumps(records)
    window = _Window(iter([text[i : i + cut] for i in range(0, len(text), cut)]), 1 << 20)
    assert window.peek() == "["
    assert window.value() == records
    assert window.peek() == ""
