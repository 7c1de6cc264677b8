from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.operators import RowOperator
from corpusmith.core.rows import Shape, render_text, schema_of
from corpusmith.ops.pii import KINDS, DetectPii, MaskPii, mask_meta


def instruction_rows() -> pa.Table:
    row = {
        "row_id": "a#0", "source": "a", "instruction": "Mail bo@fastpost.de", "input": "", "text": "",
        "output": "Or bo@fastpost.de, or 020 7183 8750.",
        "meta": json.dumps({"by": {"phone": ["467 3395"], "age": 41}}),
    }  # fmt: skip
    plain = {**row, "row_id": "a#1", "instruction": "Hi", "output": "Ho", "meta": "{}"}
    return render_text(pa.Table.from_pylist([row, plain], schema=schema_of(Shape.INSTRUCTION)))


def test_counts_cover_the_columns_of_the_shape_and_meta() -> None:
    out = DetectPii().apply(instruction_rows())
    assert {info.column for info in KINDS.values()} <= set(out.schema.names)
    assert out.schema.field("pii:email").type == pa.int64()
    assert np.asarray(out.column("pii:email")).tolist() == [2, 0]
    assert np.asarray(out.column("pii:phone")).tolist() == [2, 0]


def test_masking_reaches_text_and_meta_and_leaves_nothing_to_detect() -> None:
    out = pickle.loads(pickle.dumps(MaskPii())).apply(instruction_rows())
    first, second = out.to_pylist()
    assert (first["instruction"], first["output"]) == ("Mail [EMAIL]", "Or [EMAIL], or [PHONE].")
    assert first["text"] == "Mail [EMAIL]\n\nOr [EMAIL], or [PHONE]."
    assert json.loads(first["meta"]) == {"by": {"phone": ["[PHONE]"], "age": 41}}
    assert (second["instruction"], second["meta"]) == ("Hi", "{}")
    assert np.asarray(out.column("_changed:pii.email")).tolist() == [2, 0]
    again = DetectPii().apply(out)
    assert not any(np.asarray(again.column(info.column)).any() for info in KINDS.values())


def test_only_the_kinds_asked_for() -> None:
    out = MaskPii(("phone",)).apply(instruction_rows())
    assert out.column("instruction").to_pylist()[0] == "Mail bo@fastpost.de"
    assert [n for n in DetectPii(("EMAIL",)).apply(instruction_rows()).schema.names if n.startswith("pii:")] == [
        "pii:email"
    ]
    assert isinstance(MaskPii(), RowOperator)
    assert isinstance(DetectPii(), RowOperator)
    for operator in (MaskPii, DetectPii):
        with pytest.raises(ParameterError):
            operator(("SHOE",))


@pytest.mark.parametrize(
    "raw", ["{}", "", '{"a":  1, "price": "12.50"}', '{"n": 4556737586899855}', '{"odd": "\\ud800 text"}', "[" * 5000]
)
def test_meta_without_personal_data_comes_back_byte_for_byte(raw: str) -> None:
    assert mask_meta(raw) == (raw, {})


def test_meta_that_is_no_json_is_masked_as_text_and_surrogates_survive() -> None:
    assert mask_meta("by bo@fastpost.de {") == ("by [EMAIL] {", {"EMAIL": 1})
    masked, _ = mask_meta('{"a": "\\ud800", "b": "bo@fastpost.de"}')
    assert json.loads(masked.encode()) == {"a": "\ud800", "b": "[EMAIL]"}
