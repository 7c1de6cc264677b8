"""ROUGE against rouge-score, and against Lin's own examples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.grading.rouge import ROUGE, rouge_scores, sentences

TEXTS = st.text(alphabet="abcdeAB .\n,!?1", max_size=60)


def one(reference: str, answer: str) -> dict[str, float]:
    return {name: float(values[0]) for name, values in rouge_scores([reference], [answer]).items()}


@given(TEXTS, TEXTS)
@settings(max_examples=300, deadline=None)
def test_scores_are_those_of_rouge_score(reference: str, answer: str) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(list(ROUGE))
    theirs = scorer.score("\n".join(sentences(reference)), "\n".join(sentences(answer)))
    assert one(reference, answer) == {name: pytest.approx(theirs[name].fmeasure, abs=1e-12) for name in ROUGE}


def test_the_example_of_the_paper() -> None:
    reference = "police killed the gunman"
    assert one(reference, "police kill the gunman")["rougeL"] == pytest.approx(0.75)
    assert one(reference, "the gunman kill police")["rougeL"] == pytest.approx(0.5)
    assert one(reference, "the gunman police killed")["rougeL"] == pytest.approx(0.5)
    assert one(reference, "the gunman kill police")["rouge2"] == pytest.approx(1 / 3)


def test_lsum_is_by_sentence() -> None:
    swapped = one("The sun rose. The dog slept.", "The dog slept. The sun rose.")
    assert swapped["rougeLsum"] == 1.0
    assert swapped["rougeL"] == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["Река течёт в море.", "今日は天気がいい。", "Größe und Übermut", "हिन्दी में उत्तर"])
def test_other_scripts_score(text: str) -> None:
    assert set(one(text, text).values()) == {1.0}


def test_a_chinese_answer_is_compared_by_character() -> None:
    assert 0 < one("今天天气很好", "今天下雨")["rouge1"] < 1


@pytest.mark.parametrize(("reference", "answer"), [("", ""), ("a", ""), ("", "a"), ("...", "a b"), ("\n \n", "x")])
def test_a_text_without_words_scores_nothing(reference: str, answer: str) -> None:
    assert set(one(reference, answer).values()) == {0.0}


def test_one_word_has_no_pair() -> None:
    scores = one("yes", "Yes!")
    assert (scores["rouge1"], scores["rouge2"], scores["rougeL"]) == (1.0, 0.0, 1.0)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
@settings(max_examples=50, deadline=None)
def test_shares_that_are_1_for_the_reference_itself(pairs: list[tuple[str, str]]) -> None:
    scores = rouge_scores([ref for ref, _ in pairs], [answer for _, answer in pairs])
    assert all(len(values) == len(pairs) and ((values >= 0) & (values <= 1)).all() for values in scores.values())
    back = rouge_scores([answer for _, answer in pairs], [ref for ref, _ in pairs])
    assert back["rouge1"].tolist() == scores["rouge1"].tolist()
    assert back["rougeL"].tolist() == scores["rougeL"].tolist()


def test_sentences() -> None:
    assert sentences('He said "Go!" Then he left. It was 3.5 m, e.g. more.\n\nÜber alles. 42 came.') == [
        'He said "Go!"', "Then he left.", "It was 3.5 m, e.g. more.", "Über alles.", "42 came.",
    ]  # fmt: skip
