from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.operators import RowOperator
from corpusmith.core.rows import Shape, render_text, schema_of
from corpusmith.ops.markup import StripHtml
from corpusmith.ops.repair import (
    DamageFilter,
    DetectDamage,
    Lowercase,
    NormalizePunctuation,
    NormalizeSpace,
    RemoveStopwords,
    RepairUnicode,
    StripControls,
)

DAMAGED = [
    "plain text",
    "It was the cafÃ©â€™s rÃ©sumÃ©",
    "a\x01b",
    "<p>wrapped &amp; prose</p>",
    "",
    "\ufffd\ufffd \ufffd\ufffd",
]


def table_of(texts: Sequence[str]) -> pa.Table:
    rows = [{"row_id": f"t#{n}", "source": "t", "text": text, "meta": "{}"} for n, text in enumerate(texts)]
    return pa.Table.from_pylist(rows, schema=schema_of(Shape.TEXT))


def counts(table: pa.Table, name: str) -> list[int]:
    return np.asarray(table.column(name)).tolist()


def test_damage_is_counted_and_gone_after_the_repair() -> None:
    before = DetectDamage().apply(table_of(DAMAGED))
    assert [n > 0 for n in counts(before, "encoding_damage")] == [False, True, True, False, False, True]
    assert counts(before, "html_remains") == [0, 0, 0, 3, 0, 0]
    repaired = StripHtml().apply(RepairUnicode().apply(table_of(DAMAGED)))
    after = DetectDamage().apply(repaired)
    assert counts(after, "encoding_damage") == [0, 0, 0, 0, 0, 2]
    assert counts(after, "html_remains") == [0] * 6
    assert repaired.column("text").to_pylist()[:4] == [
        "plain text",
        "It was the café’s résumé",
        "ab",
        "wrapped & prose",
    ]
    assert counts(repaired, "_changed:unicode.mojibake") == [0, 1, 0, 0, 0, 0]
    assert counts(repaired, "_changed:html") == [0, 0, 0, 3, 0, 0]
    marked = DamageFilter().apply(repaired)
    assert marked.column("_rule").to_pylist() == [None] * 5 + ["encoding_damage"]


def test_every_text_column_of_a_shape_is_rewritten_and_text_rendered() -> None:
    row = {
        "row_id": "a",
        "source": "s",
        "instruction": "cafÃ©",
        "input": "",
        "output": "<p>yes</p>",
        "text": "",
        "meta": "{}",
    }
    table = render_text(pa.Table.from_pylist([row], schema=schema_of(Shape.INSTRUCTION)))
    out = StripHtml().apply(RepairUnicode().apply(table)).to_pylist()[0]
    assert (out["instruction"], out["output"], out["text"]) == ("café", "yes", "café\n\nyes")


@pytest.mark.parametrize(
    "operator",
    [
        RepairUnicode(),
        StripControls(),
        NormalizeSpace(),
        NormalizePunctuation(),
        Lowercase(),
        RemoveStopwords(("en",)),
        StripHtml(),
    ],
    ids=lambda operator: operator.name,
)
def test_mappers_keep_rows_are_stable_and_travel(operator: RowOperator) -> None:
    assert isinstance(operator, RowOperator)
    table = table_of([*DAMAGED, "The END,, of  it!!!! \r\n"])
    once = pickle.loads(pickle.dumps(operator)).apply(table)
    assert once.column("row_id") == table.column("row_id")
    assert once.schema.field("text").type == pa.large_string()
    twice = operator.apply(once.select(table.schema.names))
    assert twice.column("text").to_pylist() == once.column("text").to_pylist()
    assert not [name for name in twice.schema.names if name.startswith("_changed")]


def test_lowercase_leaves_placeholders() -> None:
    assert Lowercase().apply(table_of(["Write to [EMAIL] NOW"])).column("text").to_pylist() == ["write to [EMAIL] now"]


def test_what_was_measured_on_the_old_text_is_dropped() -> None:
    table = table_of(["ABC"]).append_column("_signal:n_words", pa.array([1]))
    assert "_signal:n_words" not in Lowercase().apply(table).schema.names
    assert "_signal:n_words" in StripControls().apply(table).schema.names


def test_stop_words_need_a_known_language() -> None:
    with pytest.raises(ParameterError, match="xx"):
        RemoveStopwords(("xx",))
