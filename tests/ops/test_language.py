"""Language id on plain sentences, on text that is mostly something else, and on anything."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.language import (
    LANG,
    LANG_ASKED,
    LANG_CONFIDENCE,
    AskedLanguage,
    Language,
    LanguageFilter,
    detect,
    in_languages,
    language_scores,
    useful_text,
)

SENTENCES = {
    "en": "The council decided yesterday that the old bridge will be closed to cars for the whole summer.",
    "de": "Der Stadtrat hat gestern beschlossen, dass die alte Brücke den ganzen Sommer gesperrt bleibt.",
    "fr": "Le conseil municipal a décidé hier que le vieux pont restera fermé aux voitures tout l'été.",
    "es": "El ayuntamiento decidió ayer que el puente viejo quedará cerrado a los coches todo el verano.",
    "pt": "A câmara municipal decidiu ontem que a ponte velha ficará fechada aos carros durante todo o verão.",
    "it": "Il comune ha deciso ieri che il vecchio ponte resterà chiuso alle automobili per tutta l'estate.",
    "pl": "Rada miasta zdecydowała wczoraj, że stary most będzie zamknięty dla samochodów przez całe lato.",
    "tr": "Belediye meclisi dün eski köprünün bütün yaz boyunca arabalara kapatılmasına karar verdi.",
    "ru": "Городской совет вчера решил, что старый мост будет закрыт для машин на всё лето.",
    "ar": "قرر مجلس المدينة أمس إغلاق الجسر القديم أمام السيارات طوال فصل الصيف.",
    "hi": "नगर परिषद ने कल निर्णय लिया कि पुराना पुल पूरी गर्मियों में कारों के लिए बंद रहेगा।",
    "ja": "市議会は昨日、古い橋を夏の間ずっと車両通行止めにすることを決めました。",
    "ko": "시의회는 어제 낡은 다리를 여름 내내 차량 통행을 금지하기로 결정했다.",
    "zh": "市议会昨天决定，整个夏天旧桥将禁止汽车通行，行人和自行车仍然可以通过。",
}


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_sentences(code):
    scores = language_scores(SENTENCES[code])
    assert next(iter(scores)) == code
    assert scores[code] > 0.65


@pytest.mark.parametrize("code", ["en", "de", "fr", "es", "pt", "it", "pl", "ru"])
def test_capitals_are_read_as_any_other_text(code):
    scores = language_scores(SENTENCES[code].upper())
    assert next(iter(scores)) == code
    assert scores[code] > 0.65


def test_a_few_capitals_stay():
    assert useful_text("The NATO treaty was read to them in full.") == "The NATO treaty was read to them in full "


def test_cantonese_is_chinese():
    assert next(iter(language_scores("佢哋琴日決定咗，成個夏天舊橋都唔畀車過，行人同單車就仲可以過。"))) == "zh"


@pytest.mark.parametrize(
    "text", ["", "42", "x = {1: [2, 3]};\nfoo(bar);", "!!! ??? ...", "https://example.org/a/long/path", "OK"]
)
def test_what_cannot_be_judged_is_undetermined(text):
    assert detect([text])[0] == ["und"]


def test_code_and_markup_do_not_decide():
    code = "```\nfor item in items:\n    print(item)\n```\n<div class='x'>https://example.org/index.html</div>\n"
    assert useful_text(code + SENTENCES["de"]).startswith("Der Stadtrat hat gestern")
    assert detect([code * 5 + SENTENCES["de"]])[0] == ["de"]


def test_operator_adds_marks_once():
    batch = pa.table({"text": pa.array([SENTENCES["fr"], None], pa.large_string())})
    done = Language().apply(batch)
    assert done.column(LANG).to_pylist() == ["fr", "und"]
    assert done.column(LANG_CONFIDENCE)[1].as_py() == 0
    assert Language().apply(done) is done


def test_filter_marks_with_the_confidence_of_the_asked_language():
    batch = pa.table({"text": pa.array([SENTENCES["en"], SENTENCES["de"], "42"], pa.large_string())})
    marked = LanguageFilter(("en",)).apply(batch)
    assert marked.column("_rule").to_pylist() == [None, "language", None]
    assert marked.column("_value")[1].as_py() < 0.1
    assert LanguageFilter(("de", "en")).apply(batch).column("_rule").null_count == 3
    assert LanguageFilter(()).apply(batch) is batch


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ({"en": 0.4, "de": 0.1}, True),
        ({"de": 0.45, "en": 0.4}, False),
        ({"en": 0.29, "de": 0.1}, False),
        ({"sv": 0.4, "no": 0.35, "da": 0.2}, True),  # between two of those that were asked for
        ({}, None),
    ],
)
def test_the_language_asked_for_is_the_likeliest(scores, kept):
    assert in_languages(scores, frozenset({"en", "no", "da"})) is kept


def test_a_short_genuine_line_stays_and_the_metric_says_so():
    short = "Total solar panel output in Madrid"
    assert language_scores(short)["en"] < 0.65
    batch = pa.table({"text": pa.array([short, "Weitere Namen werden hier gesucht", "42"], pa.large_string())})
    assert LanguageFilter(("en",)).apply(batch).column("_rule").to_pylist() == [None, "language", None]
    assert AskedLanguage(("en",)).apply(batch).column(LANG_ASKED).to_pylist() == [True, False, None]


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_metric_and_filter_agree(code):
    batch = pa.table({"text": pa.array([text[:n] for text in SENTENCES.values() for n in (30, 60)], pa.large_string())})
    dropped = [rule == "language" for rule in LanguageFilter((code,)).apply(batch).column("_rule").to_pylist()]
    asked = AskedLanguage((code,)).apply(batch).column(LANG_ASKED).to_pylist()
    assert dropped == [inside is False for inside in asked]
    assert True in asked


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_text(texts):
    codes, confidence = detect(texts)
    assert len(codes) == len(texts)
    assert ((confidence >= 0) & (confidence <= 1)).all()
