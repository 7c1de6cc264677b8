"""Quality filters: every rule is broken by a text made for it, and by ordinary prose never."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.quality import (
    C4Quality,
    EmptyFilter,
    FineWebQuality,
    GopherQuality,
    GopherRepetition,
    LengthFilter,
    NumberFilter,
    TruncatedFilter,
)
from corpusmith.ops.signals import PREFIX

PROSE = (
    "The museum opened its doors to the public in the spring of that year, and people came from all over the county.\n"
    "Most of the visitors had never seen a painting that large, so they stood in front of it with open mouths.\n"
    "A guide would have to tell them the story twice before anyone was willing to move on to the next room.\n"
    "It was said that the painter had worked on it for nine years. Nobody knows whether that is true.\n"
    "In the evening the doors were closed again, and the guards walked through the rooms with their lamps."
)
FILTERS = (GopherQuality(), GopherRepetition(), C4Quality(), FineWebQuality(), EmptyFilter(), TruncatedFilter())


def rule_of(operator, text: str | None, **columns: str) -> str | None:
    arrays = {name: pa.array([value], pa.large_string()) for name, value in {"text": text, **columns}.items()}
    marked = operator.apply(pa.table(arrays))
    return marked.column("_rule")[0].as_py() if "_rule" in marked.schema.names else None


@pytest.mark.parametrize("operator", FILTERS, ids=lambda operator: operator.name)
def test_prose_passes(operator):
    assert rule_of(operator, PROSE) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("only a few words of it", "min_words"),
        ("x y z " * 60, "min_mean_word_chars"),
        ("incomprehensibilities " * 60, "max_mean_word_chars"),
        ("word # " * 60, "symbol_word_ratio"),
        ("- the and this that with item here\n" * 20, "bullet_line_frac"),
        (
            "and the line goes on with more…\n" * 9
            + "and the rest of it is much longer than all that goes before it " * 6,
            "ellipsis_line_frac",
        ),
        ("number 1234 " * 60, "alpha_word_frac"),
        ("_= ~^% $/| *+" * 40, "alpha_word_frac"),
        ("sunny valley river mountain forest meadow " * 10, "stop_words"),
    ],
)
def test_gopher_quality(text, rule):
    least = 50 if rule == "min_words" else None
    assert rule_of(GopherQuality(min_words=least, language="en"), text) == f"gopher_quality.{rule}"


def test_a_threshold_of_none_leaves_the_rule_out():
    assert rule_of(GopherQuality(min_words=None, min_stop_words=None), "only several words of length") is None


def test_english_stop_words_are_asked_of_english_only():
    german = (
        "Der alte Leuchtturm steht seit mehr als hundert Jahren am Ende der langen Mole und weist den Schiffen nachts "
        "ihren Weg in den Hafen. Früher wohnte dort ein Wärter mit seiner Familie, heute läuft alles von selbst. "
        "Im Sommer kommen viele Gäste, steigen die enge Treppe hinauf und schauen lange schweigend aufs Meer hinaus."
    )
    assert rule_of(GopherQuality(), german) is None
    assert rule_of(GopherQuality(language="en"), german) == "gopher_quality.stop_words"
    assert rule_of(GopherQuality(), german, _lang="en") == "gopher_quality.stop_words"


def test_rules_on_words_do_not_ask_scripts_without_spaces():
    assert rule_of(GopherQuality(), "今天天气很好，我们一起去公园散步。" * 6) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a line that stands again\n" * 10 + PROSE, "dup_line_frac"),
        ("again and " * 30 + PROSE, "top_2gram_char_frac"),
        (PROSE + " " + PROSE.replace("\n", " "), "dup_5gram_char_frac"),
    ],
)
def test_gopher_repetition(text, rule):
    assert rule_of(GopherRepetition(), text) == f"gopher_repetition.{rule}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PROSE + " {", "curly_brackets"),
        ("Lorem ipsum. " + PROSE, "lorem_ipsum"),
        ("One sentence stands here.", "sentences"),
    ],
)
def test_c4(text, rule):
    assert rule_of(C4Quality(), text) == f"c4_quality.{rule}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("this line is long enough but has no mark at all\n" * 3, "line_punct_frac"),
        ("Short one.\n" * 4 + "And then a line of a very different length that ends here.", "short_line_frac"),
        (PROSE + "\n" + PROSE.split("\n", maxsplit=1)[0], "dup_line_char_frac"),
        ("Long words, nevertheless.\n\n\n\n\nAltogether different sentence.\n\n\n\n\n\n", "list_ratio"),
    ],
)
def test_fineweb(text, rule):
    operator = FineWebQuality() if rule != "list_ratio" else FineWebQuality(max_short_line_frac=None)
    assert rule_of(operator, text) == f"fineweb_quality.{rule}"


def test_length_and_empty():
    assert rule_of(LengthFilter("words", 3, 5), "one two") == "length.short"
    assert rule_of(LengthFilter("words", 3, 5), "a b c d e f") == "length.long"
    assert rule_of(LengthFilter("chars", 3, 5), "äöü") is None
    assert rule_of(EmptyFilter(), " \n\t") == "empty"
    assert rule_of(EmptyFilter(), None) == "empty"


@pytest.mark.parametrize(
    ("meta", "rule"),
    [
        ('{"price": 5}', None),
        ('{"price": "5.50"}', None),
        ('{"price": 0.1}', "number.price.low"),
        ('{"price": 1000}', "number.price.high"),
        ('{"price": "free"}', "number.price.missing"),
        ('{"price": true}', "number.price.missing"),
        ("{}", "number.price.missing"),
    ],
)
def test_number(meta, rule):
    assert rule_of(NumberFilter("price", 0.5, 999.49), "x", meta=meta) == rule
    if rule == "number.price.missing":
        assert rule_of(NumberFilter("price", 0.5, keep_missing=True), "x", meta=meta) is None


def test_chained_filters_show_the_first_rule_with_value_and_threshold():
    batch = pa.table({"text": pa.array(["too short", PROSE], pa.large_string())})
    for operator in (LengthFilter("words", 3), GopherQuality(), C4Quality()):
        batch = operator.apply(batch)
    row = batch.slice(0, 1).to_pylist()[0]
    assert (row["_rule"], row["_value"], row["_threshold"]) == ("length.short", 2.0, 3.0)
    assert batch.column("_rule")[1].as_py() is None
    assert all(name.startswith("_") for name in batch.schema.names if name != "text")
    assert batch.schema.names.count(PREFIX + "n_words") == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=120), max_size=4))
def test_no_text_loses_a_row(texts):
    batch = pa.table({"text": pa.array(texts, pa.large_string())})
    for operator in FILTERS:
        batch = operator.apply(batch)
    assert batch.column("text").to_pylist() == texts


def test_the_marks_beside_a_word_are_no_words_without_a_letter():
    text = (
        '"Stop!", she said (the "captain"), and, of course: nobody - not one - did; that\'s "life", be it "good". ' * 5
    )
    assert rule_of(GopherQuality(min_words=None, language="en"), text) is None
