"""Made-up values, edits and breakages by themselves."""

from __future__ import annotations

import ipaddress
import random
import re

import phonenumbers
import pytest
from stdnum import bitcoin, iban, luhn
from stdnum.us import ssn

from corpusmith.evals.planting import breakage, copies, exam, furniture, personal
from corpusmith.evals.planting.base import language_texts
from corpusmith.evals.planting.prose import BaseRow, is_prose, jaccard, without_near_duplicates

TEXT = "\n\n".join(
    " ".join(
        f"The {word}{part} of the valley{word} is near that {word}house, and it {part}was seen." for word in "abcde"
    )
    for part in ("first", "second", "third")
)


@pytest.mark.parametrize("kind", list(personal.KINDS))
def test_values_are_valid_by_the_rules_of_their_kind(kind: str) -> None:
    rng = random.Random(kind)
    for _ in range(40):
        value = personal.KINDS[kind](rng)
        if kind == "CREDIT_CARD":
            assert luhn.is_valid(re.sub(r"\D", "", value))
        elif kind == "IBAN":
            assert iban.is_valid(value)
        elif kind == "IP_ADDRESS":
            assert ipaddress.ip_address(value).is_global
        elif kind == "US_SSN":
            assert ssn.is_valid(value)
        elif kind == "CRYPTO_ADDRESS":
            assert bitcoin.is_valid(value)
        elif kind == "EMAIL":
            assert re.fullmatch(r"[\w.+-]+@[\w-]+\.\w+", value)
            assert "example" not in value
        elif kind == "PHONE":
            assert any(
                phonenumbers.is_valid_number(phonenumbers.parse(value, country)) for country in ("US", "GB", "DE")
            )
        elif kind == "MAC_ADDRESS":
            assert re.fullmatch(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", value)
        elif kind == "URL_WITH_CREDENTIALS":
            assert re.fullmatch(r"\w+://\w+:\w+@[\w.-]+/\w+", value)
        else:
            assert len(value) >= 20


def test_inserted_values_are_reported() -> None:
    text, values = personal.insert(TEXT, ["EMAIL", "IBAN"], random.Random(1))
    assert [value.kind for value in values] == ["EMAIL", "IBAN"]
    assert all(value.value in text for value in values)


@pytest.mark.parametrize("edit", copies.EXACT_EDITS)
def test_exact_copies_keep_every_word(edit: str) -> None:
    copy = copies.exact_copy(TEXT, edit, random.Random(edit))
    assert re.findall(r"\w+", copy.lower()) == re.findall(r"\w+", TEXT.lower())
    assert copy[-1] in ".!?"
    assert (copy == TEXT) is (edit == "identical")


@pytest.mark.parametrize(("edit", "rate"), copies.NEAR_EDITS)
def test_near_copies_are_near_and_say_how_near(edit: str, rate: float | None) -> None:
    copy, similarity = copies.near_copy(TEXT, edit, rate, random.Random(2)) or ("", 0.0)
    assert copy != TEXT
    assert similarity == jaccard(TEXT, copy) >= copies.NEAR


@pytest.mark.parametrize(("edit", "rate"), copies.DISTANT_EDITS)
def test_distant_copies_are_distant_or_not_made(edit: str, rate: float | None) -> None:
    made = copies.distant_copy(TEXT, edit, rate, random.Random(2))
    assert made is None or made[1] <= copies.DISTANT
    assert made is not None or rate == 0.06


def test_a_text_too_short_for_an_edit_is_refused() -> None:
    assert copies.near_copy("One two three four five six seven.", "substitute", 0.04, random.Random(0)) is None


@pytest.mark.parametrize("edit", ["utf8_as_cp1252", "utf8_as_latin1", "twice_as_cp1252"])
def test_misread_text_can_be_read_back(edit: str) -> None:
    clean = breakage.accented(TEXT, random.Random(4))
    broken = breakage.break_encoding(clean, edit, random.Random(4))
    assert broken != clean
    for _ in range(2 if edit.startswith("twice") else 1):
        raw = bytearray()
        for char in broken:
            raw += char.encode("latin-1") if ord(char) < 256 else char.encode("cp1252")
        broken = raw.decode()
    assert broken == clean


def test_accented_text_fits_the_encoding_asked_for() -> None:
    for encoding in ("cp1252", "latin-1", "utf-16"):
        text = breakage.accented(TEXT, random.Random(1), encoding)
        assert text.encode(encoding).decode(encoding) == text
        assert not text.isascii()


@pytest.mark.parametrize("edit", ["mid_sentence", "mid_word"])
def test_a_cut_ends_inside_a_sentence(edit: str) -> None:
    for seed in range(20):
        cut = breakage.cut_off(TEXT, edit, random.Random(seed))
        assert TEXT.startswith(cut)
        assert cut[-1] not in ".!?"
        assert 0.3 < len(cut.split()) / len(TEXT.split()) < 0.65


def test_items_differ_and_leak_in_every_way() -> None:
    items = exam.make_items(180, random.Random(1))
    assert len({item.question for item in items}) == 180
    for edit in exam.LEAK_EDITS:
        row = exam.leak(items[0], edit, TEXT, random.Random(1))
        ours, theirs = (re.findall(r"\w+", text.casefold()) for text in (items[0].question, row))
        missing = [word for word in ours if word not in theirs]
        assert len(missing) <= (1 if edit == "word_substituted" else 0)


def test_the_answer_of_an_item_is_right() -> None:
    for item in exam.make_items(60, random.Random(3)):
        found = re.match(r"\w+ carried (\d+) .* sold (\d+) .* with (\d+) more", item.question)
        if found:
            carried, sold, more = map(int, found.groups())
            assert int(item.answer) == carried - sold + more


@pytest.mark.parametrize("edit", furniture.ORDER_EDITS)
def test_an_order_stands_in_the_text_and_carries_its_canary(edit: str) -> None:
    text, canary = furniture.add_order(TEXT, edit, random.Random(1))
    assert canary in text
    assert text.endswith(TEXT[-40:])


def test_prose_is_told_from_code_and_tables() -> None:
    assert is_prose("This is the part of the text that a person can read with ease.")
    assert not is_prose(">>> print(a, b, c, d) for the of and to be that have with it.")
    assert not is_prose("x = {a: 1}, y = [1, 2, 3], z = (4, 5, 6); w != v or u == t.")


def test_near_duplicates_in_the_base_go_and_the_first_stays() -> None:
    other = "Quite different words stand in this row, and none of them appear in the others at all."
    rows = [BaseRow("a", TEXT), BaseRow("b", other), BaseRow("c", TEXT + " More of it.")]
    assert [row.title for row in without_near_duplicates(rows)] == ["a", "b"]


def test_texts_in_other_languages_are_many_and_long_enough() -> None:
    texts = language_texts()
    assert len(texts) >= 12
    for code, paragraphs in texts.items():
        assert len(paragraphs) >= 12, code
        assert len(set(paragraphs)) == len(paragraphs)
        assert min(map(len, paragraphs)) >= (90 if code == "zh" else 300)
