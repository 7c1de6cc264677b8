from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops import damage
from corpusmith.ops.spacing import even_punctuation, even_spaces
from corpusmith.ops.stopwords import STOPWORDS, without_stopwords

CLEAN = [
    "The first café to try it was the one that Zoë and José keep in São Paulo.",
    "Günter Müllers naïve Lesart – „es kann nicht fehlschlagen“ – überlebte die Woche in Zürich nicht.",
    "Владимир написал: «Привет, мир!» — и ушёл.",
    "彼は「東京へ行く」と言いました。",
    "그는 서울에 갔다고 말했다.",
    "می‌خواهم به خانه بروم",
    "Zażółć gęślą jaźń w Łodzi, Škoda v Brně.",
    "Ο Όμηρος έγραψε την Οδύσσεια…",
    "İstanbul’da güneş ışığı çok güzel.",
    "naïve “quotes” – it’s 5 × 3 µm ± 2 °C, €40 or £35 ½",
    "Tabs\tand\nlines stay.",
    "undecodable bytes become '\ufffd' in the result",
]
ACCENTED = ["It’s the fiancée’s résumé – not the attaché’s.", "Señora Ibáñez called it “déjà vu” in Kraków or Łódź."]


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_in_any_language_is_no_damage_and_stays(text: str) -> None:
    assert damage.damage(text) == 0
    assert damage.repair_mojibake(text) == (text, 0)
    assert damage.repair_replacements(text) == (text, 0)


@pytest.mark.parametrize("text", ACCENTED)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
def test_mojibake_is_found_and_undone(text: str, times: int, wrong: str) -> None:
    broken = text
    for _ in range(times):
        broken = "".join(
            bytes([byte]).decode(wrong if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "latin-1")
            for byte in broken.encode()
        )
    assert damage.damage(broken) > 0
    assert damage.repair_mojibake(broken)[0] == text


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("don\ufffdt say it\ufffds lost, however long the sentence is " * 9, "don’t say it’s lost, however long "),
        ("a word \ufffd and another, in a text that is otherwise whole and long enough " * 3, "a word and another"),
    ],
)
def test_lost_characters_are_mended_or_taken_out(broken: str, mended: str) -> None:
    fixed, count = damage.repair_replacements(broken)
    assert fixed.startswith(mended)
    assert count == broken.count("\ufffd")
    assert damage.damage(fixed) == 0


def test_text_past_repair_stays_and_counts_as_damaged() -> None:
    text = "\ufffd\ufffd ab \ufffd\ufffd cd " * 40
    assert damage.repair_replacements(text) == (text, 0)
    assert damage.damage(text) > 0


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("N\bNA\bAM\bME\bE", "NAME"),
        ("_\bfi_\bile and a stray\b one", "fiile and a stray one"),
        ("one\x0ctwo", "one\ntwo"),
        ("a\x00b\x01c\x7f\ttab\n", "abc\ttab\n"),
    ],
)
def test_controls_go(text: str, clean: str) -> None:
    assert damage.strip_controls(text)[0] == clean


def test_c1_controls_become_the_characters_they_stand_for() -> None:
    assert damage.repair_mojibake("doit s\x92engager")[0] == "doit s’engager"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\ufeffbig zero\u200bwidth", "big zerowidth"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻 codes", "👩\u200d💻 codes"),
        ("exe\u202efdp.txt", "exefdp.txt"),
        ("hidden\U000e0041\U000e0042 order", "hidden order"),
    ],
)
def test_invisible_characters_go_unless_they_do_work(text: str, clean: str) -> None:
    assert damage.drop_invisible(text)[0] == clean


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_repairs_are_stable_and_leave_no_repairable_damage(text: str) -> None:
    once = text
    for step in (damage.repair_mojibake, damage.strip_controls, damage.repair_replacements, damage.drop_invisible):
        once, count = step(once)
        assert count >= 0
    if "\ufffd" not in once:
        again = damage.strip_controls(once)
        assert again == (once, 0)


def test_space_is_evened_without_touching_code_and_tables() -> None:
    text = (
        "One\u00a0two.  Three  four.   \r\n\r\n\r\n\r\n\r\nNext\r\n"
        "    code  =  1\n| a  |  b |\nname      size      time\n```\nx  =  2\n```\n"
    )
    new, count = even_spaces(text)
    assert new == (
        "One two. Three four.\n\n\nNext\n    code  =  1\n| a  |  b |\nname      size      time\n```\nx  =  2\n```"
    )
    assert count > 0
    assert even_spaces(new) == (new, 0)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab. \t\n\r\u00a0,!?|`"))
def test_even_spaces_keeps_every_visible_character(text: str) -> None:
    new, _ = even_spaces(text)
    assert "".join(new.split()) == "".join(text.split())
    assert even_spaces(new)[0] == new


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Wow!!!! Really???", "Wow! Really?"),
        ("Wait...... now", "Wait... now"),
        ("What!?!?!?", "What?!"),
        ("a[..., ::2] and f(x)... stay", "a[..., ::2] and f(x)... stay"),
        ("one,, two", "one, two"),
    ],
)
def test_repeated_punctuation(text: str, clean: str) -> None:
    assert even_punctuation(text)[0] == clean


def test_stop_words_go_whole_and_by_language() -> None:
    assert without_stopwords("The cat sat on the mat.", ("en",)) == ("cat sat mat.", 3)
    assert without_stopwords("thesis anders", ("en",)) == ("thesis anders", 0)
    assert without_stopwords("Der Hund und die Katze", ("de",))[0] == "Hund Katze"
    assert all(len(words.split()) > 40 for words in STOPWORDS.values())
