"""Signals against plain Python counts, on made-up and on arbitrary text."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.kernels.characters import character_table
from corpusmith.ops.kernels.text import FIGURES, token_counts
from corpusmith.ops.kernels.words import utf8_buffers
from corpusmith.ops.signals import PREFIX, SIGNALS, Signals, signal


def batch_of(*texts: str | None) -> pa.Table:
    return pa.table({"text": pa.array(texts, pa.large_string())})


def signals_of(text: str) -> dict[str, float]:
    batch = Signals().apply(batch_of(text))
    return {name: batch.column(PREFIX + name)[0].as_py() for name in SIGNALS}


def tokens_of(text: str) -> list[str]:
    data, offsets = utf8_buffers(pa.array([text], pa.large_string()))
    _, counts, spans = token_counts(data, offsets, character_table())
    raw = text.encode()
    return [raw[low:high].decode() for (low, high), n in zip(spans, counts, strict=True) for _ in range(n)]


def test_every_figure_is_documented_once():
    assert tuple(SIGNALS) == FIGURES


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("It's a well-known trick", ["It", "'s", "a", "well", "-", "known", "trick"]),
        ("costs 3.14 or 1,000", ["costs", "3.14", "or", "1,000"]),
        ("a@b.org ends.Next", ["a@b.org", "ends", ".", "Next"]),
        ("wait... ----- --flag", ["wait", "...", "-----", "--flag"]),
        ("“quoted” (aside)", ["“", "quoted", "”", "(", "aside", ")"]),
        ("naïve Größe", ["naïve", "Größe"]),
        ("日本語です。", ["日", "本", "語", "で", "す", "。"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("  \t\n ", []),
    ],
)
def test_tokens(text, tokens):
    assert tokens_of(text) == tokens


def test_counts_of_an_ordinary_text():
    text = "# Title\n\nThe cat sat on the mat. It was the cat of J. Smith!\n- one…\n- two...\n\nThe end"
    found = signals_of(text)
    assert found["n_chars"] == len(text)
    assert found["n_newlines"] == text.count("\n")
    assert (found["n_lines"], found["n_paragraphs"], found["n_sentences"]) == (5, 3, 4)
    assert found["stop_words"] == 2
    assert found["bullet_line_frac"] == pytest.approx(2 / 5)
    assert found["ellipsis_line_frac"] == pytest.approx(2 / 5)
    assert found["symbol_word_ratio"] == pytest.approx(2 / found["n_tokens"])
    assert found["short_line_frac"] == pytest.approx(4 / 5)
    assert found["list_ratio"] == pytest.approx(6 / found["n_tokens"])


def test_repeated_lines_and_paragraphs():
    found = signals_of("aaa\nbb\n\naaa\nbb\n\nc")
    assert found["dup_line_frac"] == pytest.approx(2 / 5)
    assert found["dup_line_char_frac"] == pytest.approx(5 / 17)
    assert found["dup_par_frac"] == pytest.approx(1 / 3)
    assert found["dup_par_char_frac"] == pytest.approx(6 / 17)
    assert found["dup_line_text_frac"] == pytest.approx(5 / 11)


def test_top_ngram_needs_a_repetition():
    assert signals_of("one two three")["top_2gram_char_frac"] == 0
    assert signals_of("one two one two")["top_2gram_char_frac"] == pytest.approx(14 / 15)


def test_page_rules_of_c4():
    found = signals_of(
        "Please enable JavaScript to go on with it.\nThis is one sentence. Here is two!\nShort.\nNo mark here"
    )
    assert (found["javascript_lines"], found["c4_sentences"]) == (1, 2)
    assert signals_of("Lorem Ipsum dolor { }")["lorem_ipsum"] == 1
    assert signals_of("We use cookies. Read our Privacy Policy.")["policy_lines"] == 1


def test_a_quote_after_the_mark_ends_a_sentence():
    assert signals_of('She said: "Go away."\nAnd so he did')["line_punct_frac"] == 0.5


def test_scripts_without_spaces_count_characters():
    found = signals_of("今天天气很好。我们去公园。")
    assert (found["n_words"], found["n_sentences"], found["n_tokens"]) == (11, 2, 13)
    assert found["spaceless_frac"] == pytest.approx(11 / 13)


def test_null_and_empty_are_zero():
    batch = Signals().apply(batch_of(None, ""))
    assert all(signal(batch, name).tolist() == [0, 0] for name in SIGNALS)


def test_signals_are_measured_once():
    batch = Signals().apply(batch_of("a b c"))
    assert Signals().apply(batch) is batch


WORDS = st.lists(st.sampled_from(["ab", "c", "def", "gh", "ijk"]), max_size=60)


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_ngrams_agree_with_a_plain_count(words):
    text = " ".join(words)
    found = signals_of(text)
    for n in (2, 3, 4):
        grams = [" ".join(words[at : at + n]) for at in range(len(words) - n + 1)]
        best, times = next(iter(Counter(grams).most_common(1)), ("", 0))
        expected = min(1.0, len(best) * times / len(text)) if times > 1 else 0.0
        assert found[f"top_{n}gram_char_frac"] == pytest.approx(expected)
    for n in range(5, 11):
        seen, size, at = set(), 0, 0
        while at + n <= len(words):
            gram = tuple(words[at : at + n])
            if gram in seen:
                size += len("".join(gram))
                at += n
            else:
                seen.add(gram)
                at += 1
        assert found[f"dup_{n}gram_char_frac"] == pytest.approx(size / max(1, len(text)))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_any_text(texts):
    batch = Signals().apply(batch_of(*texts))
    assert signal(batch, "n_chars").tolist() == [len(text) for text in texts]
    assert signal(batch, "n_newlines").tolist() == [text.count("\n") for text in texts]
    for name, (_, unit) in SIGNALS.items():
        values = signal(batch, name)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert unit[:5] != "share" or (values <= 1).all(), name
    for at, text in enumerate(texts):  # a row's figures do not depend on its batch
        assert Signals().apply(batch.select(["text"]).slice(at, 1)).column(PREFIX + "n_tokens")[0].as_py() == len(
            tokens_of(text)
        )
    assert all(  # a token that comes again is told beside its first
        sorted("".join(tokens_of(text))) == sorted("".join(text.split()))
        for text in texts
        if text.isascii() and text.isprintable()
    )
