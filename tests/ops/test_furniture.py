from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corpusmith.engine.local import LocalEngine
from corpusmith.ops.boilerplate import CountBoilerplate, StripBoilerplate, find_boilerplate

SHARE = "Share this post\n\n## Piece {n} on {m}\n\nCopy link\n\nFacebook\n\nNote\n\nOther"


@pytest.fixture
def engine() -> Any:
    local = LocalEngine(workers=1)
    yield local
    local.close()


def cleaned(data: Any, engine: Any) -> list[str]:
    """The texts without boilerplate; checks that a second look at them finds nothing."""
    found = find_boilerplate(data, engine)
    out = StripBoilerplate(found).apply(data.table())
    texts: list[str] = out.column("text").to_pylist()
    before = np.asarray(CountBoilerplate(found).apply(data.table()).column("boilerplate_lines"))
    assert (before > 0).tolist() == [
        a != b for a, b in zip(data.table().column("text").to_pylist(), texts, strict=True)
    ]
    return texts


def test_short_lines_go_beside_others_and_what_repeats_in_a_row_goes_too(make_dataset: Any, engine: Any) -> None:
    def page(n: int) -> str:
        share = SHARE.format(n=n, m=n * 3)
        body = f"Body {n} says that {n * 7} is so.\n\nNote\n\nTake care of {n}, {n}."
        return f"#\n\nSubscribeSign in\n\n{share}\n\n{body}\n\n{share}\n\nRestacks\n\nTop\n\n* * *\n\nLatest"

    data = make_dataset([page(n) for n in range(30)], part_rows=11)
    texts = cleaned(data, engine)
    assert "\n".join(filter(None, texts[7].split("\n"))).split("\n") == [
        "#", "## Piece 7 on 21", "Body 7 says that 49 is so.", "Note", "Take care of 7, 7.", "## Piece 7 on 21",
    ]  # fmt: skip
    again = make_dataset(texts)
    assert cleaned(again, engine) == texts


@pytest.mark.parametrize(
    "page",
    [
        "tool{n}(1)\n\nNAME\ntool{n} - does {n}\n\nSYNOPSIS\ntool{n} [file]\n\nSee Also\nmore{n}",
        "Overview\n\nArea {n} has {m} parts.\n\nGetting Started\n\nFirst take {n}.\n\nWhat Next\n\nThen {m}.",
        "Name\n\nType\n\nDefault\n\nDescription\n\nfield{n}\n\nint{m}\n\nsize of {n}",
        "Birth Year\n19{n}\nHome Town\n{m}\nShoe Size\n4{n}\nKnown Since\n20{m}",
        "The text number {n} of all {m}.\n\nSentiment\n\nPositive",
        "Prev\n\nName\n\ntool{n}, which does {m}",
    ],
    ids=["manual page", "plain headings", "head of a table", "labels with numbers", "label at the end", "little"],
)
def test_headings_and_labels_stay(make_dataset: Any, engine: Any, page: str) -> None:
    words = ["oak", "elm", "ash", "fir", "yew", "bay", "box", "fig", "nut", "pea"]
    texts = [page.format(n=f"{words[n % 10]}{words[n // 10]}", m=words[-1 - n % 7] * 2) for n in range(40)]
    if page.startswith("Birth"):
        texts = [page.format(n=n, m=n) for n in range(10, 50)]
    assert cleaned(make_dataset(texts), engine) == texts
    assert find_boilerplate(make_dataset(texts), engine).lines == ()
