from __future__ import annotations

import pyarrow as pa
import pytest

from corpusmith.core.rows import SOURCE, TEXT
from corpusmith.ops.shingles import KEY_1, KEY_2, LENGTH, SHINGLES, Shingles


def apply(texts: list[str], operator: Shingles, sources: list[str] | None = None) -> pa.Table:
    columns = {TEXT: texts, SOURCE: sources or ["a"] * len(texts)}
    return operator.apply(pa.table({name: pa.array(rows, pa.large_string()) for name, rows in columns.items()}))


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("?!", 0), ("one", 1), ("a b c d", 1), ("a b c d e", 1), ("a b c d e f", 2), ("a a a a a a a a", 1)],
)
def test_a_text_is_the_set_of_its_5_grams(text: str, count: int) -> None:
    assert len(apply([text], Shingles()).column(SHINGLES)[0]) == count


def test_keys_name_the_sequence_of_words_and_symbols_are_compared_raw() -> None:
    table = apply(["A b, c", "a B c!", "c b a", "??", " ??", "!!", "", " "], Shingles(shingles=False))
    keys = list(zip(table.column(KEY_1).to_pylist(), table.column(KEY_2).to_pylist(), strict=True))
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4] != keys[5]
    assert keys[6:] == [(0, 0), (0, 0)]
    assert table.column(LENGTH).to_pylist() == [6, 6, 5, 2, 3, 2, 0, 1]


def test_within_source_rows_of_two_sources_share_nothing() -> None:
    table = apply(["a b c d e f", "a b c d e f"], Shingles(within="source"), ["a", "b"])
    one, other = table.column(SHINGLES).to_pylist()
    assert not set(one) & set(other)
    assert table.column(KEY_1)[0] != table.column(KEY_1)[1]
