from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from corpusmith.core.errors import ParameterError
from corpusmith.tools.clean import TOOL, CleanParams

PROSE = (
    "The reading room opens at nine and closes when the last reader has gone home. In winter that is early, because "
    "the lamps are weak and the stove is slow, but in June there are people at the long table until ten. Nobody has "
    "ever asked them to leave, and the keeper says that he would not know how to do it with good grace."
)
ROWS: list[dict[str, Any]] = [
    {"text": PROSE, "meta": json.dumps({"price": 3})},
    {
        "text": "<p>It was the cafÃ©â€™s rÃ©sumÃ© that they had read &amp; put away again.</p>",
        "meta": json.dumps({"price": 5}),
    },
    {"text": "Write to m.okafor@fastmail.com today.", "meta": json.dumps({"price": 7, "by": "r.lund@fastmail.com"})},
    {"text": "  \n ", "meta": json.dumps({"price": 1})},
    {"text": "Das ist ein deutscher Satz, der nur auf Deutsch zu lesen ist und sonst nirgends.", "meta": "{}"},
    {"text": "\ufffd\ufffd\ufffd x \ufffd\ufffd\ufffd", "meta": "{}"},
]


def texts(data: Any) -> list[str]:
    return data.table(["text"]).column(0).to_pylist()


def test_repairs_and_filters_run_in_order_and_are_counted(make_dataset: Any, call_tool: Any) -> None:
    params = CleanParams(
        unicode=True, html=True, whitespace=True, pii=True, languages=("en",), drop_empty=True, drop_damaged=True
    )
    result, out = call_tool(TOOL, params, {"data": make_dataset(ROWS)})
    assert texts(out) == [
        PROSE,
        "It was the café’s résumé that they had read & put away again.",
        "Write to [EMAIL] today.",
    ]
    assert (result.rows_in, result.rows_out) == (6, 3)
    assert result.dropped == {"empty": 1, "encoding_damage": 1, "language": 1}
    assert result.changed["pii.email"] == 1
    assert result.changed["html"] == 1
    assert json.loads(out.table(["meta"]).column(0).to_pylist()[2]) == {"price": 7, "by": "[EMAIL]"}


def test_everything_off_is_refused_and_so_are_unknown_names(make_dataset: Any, call_tool: Any) -> None:
    data = make_dataset(ROWS)
    for params, said in (
        (CleanParams(), "nothing to do"),
        (CleanParams(pii=True, pii_kinds=("SHOE_SIZE",)), "SHOE_SIZE"),
        (CleanParams(pii_kinds=("EMAIL",)), "pii_kinds"),
        (CleanParams(stopwords=("xx",)), "xx"),
        (CleanParams(gopher_quality=True, thresholds={"no_such_rule": 1.0}), "no_such_rule"),
        (CleanParams(c4=True, thresholds={"sentences": 2.5}), "sentences"),
    ):
        with pytest.raises(ParameterError, match=said):
            call_tool(TOOL, params, {"data": data})
    with pytest.raises(ValidationError):
        CleanParams(unknown=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"numbers": [{"field": "price", "low": 2, "high": 6}]}, [0, 1]),
        ({"lengths": [{"unit": "words", "low": 40}]}, [0]),
        ({"lengths": [{"unit": "words", "low": 1}, {"unit": "chars", "high": 80}]}, [1, 2, 4, 5]),
        ({"drop_empty": True}, [0, 1, 2, 4, 5]),
        ({"gopher_quality": True}, [0]),
        ({"gopher_quality": True, "thresholds": {"min_words": 5, "stop_words": 1}}, [0, 1, 4]),
        ({"gopher_quality": True, "thresholds": {"gopher_quality.min_words": 1000}}, []),
    ],
)
def test_filters_keep_what_they_say(make_dataset: Any, call_tool: Any, params: dict[str, Any], kept: list[int]) -> None:
    result, out = call_tool(TOOL, CleanParams(**params), {"data": make_dataset(ROWS)})
    assert texts(out) == [ROWS[at]["text"] for at in kept]
    assert result.rows_out + sum(result.dropped.values()) == len(ROWS)


def test_thresholds_reach_every_family_with_the_rule_and_single_ngrams(make_dataset: Any, call_tool: Any) -> None:
    rows = ["again and again " * 30, PROSE]
    strict, _ = call_tool(TOOL, CleanParams(gopher_repetition=True), {"data": make_dataset(rows)})
    assert strict.rows_out == 1
    off = {f"top_{n}gram_char_frac": None for n in (2, 3, 4)} | {f"dup_{n}gram_char_frac": None for n in range(5, 11)}
    loose, _ = call_tool(TOOL, CleanParams(gopher_repetition=True, thresholds=off), {"data": make_dataset(rows)})
    assert loose.rows_out == 2


def test_boilerplate_is_found_after_the_repairs_and_leaves_no_empty_row(make_dataset: Any, call_tool: Any) -> None:
    rows = [f"<p>{word} is the subject here</p>\n<p>Sign in or register to comment</p>" for word in "abcdefghijkl"]
    params = CleanParams(html=True, boilerplate=True, drop_empty=True)
    data = make_dataset([*rows, "<p>Sign in or register to comment</p>"], part_rows=5)
    result, out = call_tool(TOOL, params, {"data": data})
    assert texts(out) == [f"{word} is the subject here" for word in "abcdefghijkl"]
    assert (result.boilerplate_lines, result.changed["boilerplate"], result.dropped) == (1, 13, {"empty": 1})


def test_lower_case_and_stop_words_come_after_the_filters(make_dataset: Any, call_tool: Any) -> None:
    params = CleanParams(lowercase=True, stopwords=("en",), gopher_quality=True, drop_empty=True, unicode=True)
    result, out = call_tool(TOOL, params, {"data": make_dataset([PROSE, "of the"])})
    assert result.rows_out == 1
    assert texts(out)[0].startswith("reading room opens nine")


def test_result_is_the_same_whatever_the_parts_and_a_second_run_changes_nothing(
    make_dataset: Any, call_tool: Any
) -> None:
    params = CleanParams(unicode=True, controls=True, html=True, whitespace=True, repeated_punctuation=True, pii=True)
    _, whole = call_tool(TOOL, params, {"data": make_dataset(ROWS)})
    _, parts = call_tool(TOOL, params, {"data": make_dataset(ROWS, part_rows=2)})
    again, twice = call_tool(TOOL, params, {"data": whole})
    assert whole.record.content_digest == parts.record.content_digest == twice.record.content_digest
    assert again.changed == {}
