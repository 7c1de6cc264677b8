from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.pii import KINDS, find, mask, mask_meta
from corpusmith.ops.pii import hints as hint
from corpusmith.ops.pii.hints import automaton, guess, look
from corpusmith.ops.pii.kinds import DIGITS

PIECES = [
    *(info.example for info in KINDS.values()),
    *("SSN 460899847", "BSN2 111222333", "call 555 0199", "password: q9Zk31xxLw0pAa", "toKen is a1B2c3D4e5f6G7", "TIN"),
    *("bırth 14 March 1987", "jane [at] brightmail [dot] com", "2a01:4f8:c17:b0f::2", "PSC 123, Box 45 APO AE 09012"),
    *("12３45 ٣٤٥", "US 45402", "\u00a0", ". ", " ", "\n", "é", "x", "7", "K", "ſ", "İ", "[EMAIL]", "_", "-", ":", "@"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(alphabet="AZaz09 .:-/=(@é\n", max_size=6), max_size=9).map("".join)


@settings(max_examples=300)
@given(TEXTS)
def test_hints_change_nothing_that_is_found(text: str) -> None:
    assert find(text, (), look(text)) == find(text)
    assert mask(text, (), look) == mask(text, (), guess)


@settings(max_examples=200)
@given(TEXTS)
def test_a_number_begins_only_where_it_is_hinted(text: str) -> None:
    numbers = look(text).numbers
    places = [match.start() for match in DIGITS.finditer(text)]
    assert numbers is None or set(places) <= set(numbers)


@given(st.text(alphabet="abc:", max_size=30), st.lists(st.text(alphabet="abc:", min_size=1, max_size=4), max_size=8))
def test_the_automaton_finds_exactly_the_words_that_are_there(text: str, words: list[str]) -> None:
    letters, steps, found = automaton({1 << place: (word,) for place, word in enumerate(words)})
    state = bits = 0
    for char in text:
        state = steps[state][letters.get(char, 0)]
        bits |= found[state]
    assert bits == sum(1 << place for place, word in enumerate(words) if word in text)


def test_plain_prose_is_passed_over() -> None:
    assert look("The keys of the town were kept by one man, who lost them in 1987.") == hint.Hints(0, [])
    assert look("").bits == 0


@pytest.mark.parametrize(
    ("text", "bit"),
    [
        ("an @ sign", hint.MAIL),
        ("her passport", hint.PASSPORT),
        ("paſſport", hint.PASSPORT),
        ("UID 1", hint.NAMED),
        ("(UID)", hint.NAMED),
        ("numéro d’assurance, henkilötunnus", hint.NAMED),
        ("api_key = 'abcdefghijkl'", hint.SECRET),
        ("3c:52:82:4e:9a", hint.HARDWARE),
        ("٣", hint.ODD_DIGIT),
    ],
)
def test_what_a_pattern_cannot_do_without_is_seen(text: str, bit: int) -> None:
    assert look(text).bits & bit


@pytest.mark.parametrize("text", ["using SETUIDS", "keys, tokens: none", "key=short", "10:11:12"])
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert not look(text).bits & (hint.NAMED | hint.SECRET | hint.HARDWARE)


def test_metadata_is_masked_alike() -> None:
    raw = '{"phone": "467 3395", "api_key": ["q9Zk31xxLw0pAa"], "n": 3, "note": "born on 14 March 1987"}'
    assert mask_meta(raw, (), look) == mask_meta(raw)
    assert re.search(r"\[PHONE\].*\[DATE_OF_BIRTH\]", mask_meta(raw, (), look)[0])
