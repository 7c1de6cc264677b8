from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.rows import CHANGED
from corpusmith.ops import damage
from corpusmith.ops.faults import ENCODING, HTML, rows_with
from corpusmith.ops.kernels.faults import CONTROL
from corpusmith.ops.markup import find_remains
from corpusmith.ops.rewriting import rewrite

PIECES = [
    *("\ufffd", "\x07", "\x92", "Ã©", "â€™", "é”", "\u200b", "e\u0301", "\u2028", "\u1100\u1161", "\uac00\u11a8"),
    *(
        "\U000e0041",
        "\U0002f801",
        "<b>x</b>",
        "<br/>",
        "&amp;",
        "&#39;",
        "<!-- a -->",
        "<blockquote class=x>y",
        "a < b",
    ),
    *("√©", "├й", "\u0344", "\u0958", "<TIME >", "&unknown;", "plain words", "\n", "日本", "<file>"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=6).map("".join)


def rows(text: str, bits: int) -> list[int]:
    found: list[int] = rows_with(pa.array([text], pa.large_string()), bits).tolist()
    return found


@settings(max_examples=400)
@given(TEXTS)
def test_a_row_that_is_passed_over_has_nothing_to_repair(text: str) -> None:
    if not rows(text, ENCODING):
        assert damage.damage(text) == 0
        for repair in (damage.repair_mojibake, damage.repair_replacements, damage.drop_invisible, damage.to_nfc):
            assert repair(text) == (text, 0)
    if not rows(text, CONTROL):
        assert damage.strip_controls(text) == (text, 0)
    if not rows(text, HTML):
        assert find_remains(text) == []


def test_every_character_that_normalisation_may_change_is_known() -> None:
    chars = [chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000]
    flagged = set(rows_with(pa.array(chars, pa.large_string()), ENCODING).tolist())
    assert not [
        char for at, char in enumerate(chars) if at not in flagged and unicodedata.normalize("NFC", char) != char
    ]
    assert len(flagged) < 6_000


@pytest.mark.parametrize(
    "text", ["plain", "naïve “quotes” – it’s", "日本語 한국어", "<file> if a < b && c;", "&x y;", ""]
)
def test_clean_text_is_passed_over(text: str) -> None:
    assert rows(text, ENCODING | HTML) == []


def test_only_the_rows_named_are_rewritten_and_nulls_stay() -> None:
    batch = pa.table({"text": pa.array(["a\x07b", None, "c"], pa.large_string())})
    done = rewrite(batch, (("controls", damage.strip_controls),), lambda column: rows_with(column, CONTROL))
    assert done.column("text").to_pylist() == ["ab", None, "c"]
    assert done.column(CHANGED + "controls").to_pylist() == [1, 0, 0]
