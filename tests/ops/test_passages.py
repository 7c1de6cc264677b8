"""Documents cut into passages: nothing lost, none short, and an evaluation set that can be looked for."""

from __future__ import annotations

import pytest

from corpusmith.core.errors import NotFoundError
from corpusmith.core.rows import ROW_ID, TEXT
from corpusmith.ops.passages import Passages


@pytest.mark.parametrize(("words", "pieces"), [(1, 1), (49, 1), (74, 1), (76, 2), (300, 6)])
def test_pieces_hold_every_word(words: int, pieces: int) -> None:
    text = " ".join(f"word{n}" for n in range(words))
    found = Passages.of(["a#0"], [text])
    assert found.rows == pieces
    assert " ".join(found.texts) == text
    assert found.row_ids == tuple(f"a#0~passage.{n}" for n in range(pieces))
    sizes = [len(piece.split()) for piece in found.texts]
    assert max(sizes) - min(sizes) <= 1


def test_paragraphs_are_kept_apart_and_short_ones_joined() -> None:
    first, second = (" ".join(f"{name}{n}" for n in range(9)) for name in ("a", "b"))
    found = Passages.of(["a#0"], [f"Title\n{first}\n\n{second}\n \nThe end"])
    assert found.texts == (f"Title {first}", second, "The end")
    assert Passages.of(["a#0"], [" \n "]).rows == 0


def test_it_reads_like_a_dataset() -> None:
    found = Passages.of(["a#0", "b#1"], ["one two", "three"])
    tables = list(found.batches([TEXT], rows=1))
    assert [table.column(TEXT).to_pylist() for table in tables] == [["one two"], ["three"]]
    assert found.table().column(ROW_ID).to_pylist() == ["a#0~passage.0", "b#1~passage.0"]
    assert found.size_bytes == 12
    assert found.id != Passages.of(["a#0"], ["one two"]).id
    with pytest.raises(NotFoundError):
        found.file("report.json")
