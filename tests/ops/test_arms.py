"""The holdout of an ablation, and that neither arm has seen any of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.core.rows import ROW_ID, TEXT
from corpusmith.engine.local import LocalEngine, NeverCancelled
from corpusmith.ops.arms import Arm, Holdout, draw_arm, draw_holdout, held_out_roots, take_holdout
from corpusmith.store.dataset import StoredDataset

Make = Callable[..., StoredDataset]
ENGINE, GO_ON = LocalEngine(workers=1), NeverCancelled()
NAMES = [
    f"{a}{b}" for a in ("ba", "ce", "di", "fo", "gu", "ha", "ke", "li") for b in ("ron", "tel", "mas", "vik", "lup")
]


def text_of(number: int, words: int = 120) -> str:
    """A text that shares hardly a phrase with another's."""
    draw = random.Random(number)
    return " ".join(draw.choice(NAMES) for _ in range(words)) + "."


def with_split(table: pa.Table, names: list[str]) -> pa.Table:
    return table.append_column("split", pa.array(names, pa.large_string()))


@pytest.fixture
def pair(make_dataset: Make) -> tuple[StoredDataset, StoredDataset]:
    """60 raw rows; the curated data are the first 40, the last 20 of them outside `train`, every fourth rewritten."""
    raw = make_dataset([text_of(n) for n in range(60)])
    table = raw.table().slice(0, 40)
    texts = [text.upper() if n % 4 == 0 else text for n, text in enumerate(table.column(TEXT).to_pylist())]
    table = table.set_column(table.schema.get_field_index(TEXT), TEXT, pa.array(texts, pa.large_string()))
    return raw, make_dataset(with_split(table, ["train"] * 20 + ["validation"] * 10 + ["test"] * 10))


def arm(data: Any, holdout: Holdout, roots: frozenset[str], most: int = 1 << 20, seed: int = 0) -> Arm:
    return draw_arm(data, holdout, roots, ENGINE, most_bytes=most, seed=seed, cancel=GO_ON)


def test_untouched_rows_outside_train_come_first(pair: tuple[StoredDataset, StoredDataset]) -> None:
    raw, curated = pair
    few = draw_holdout(raw, curated, 12, 0, GO_ON)
    assert (few.origin, few.from_train, len(few.texts)) == ("untouched", 0, 12)
    assert set(few.texts) <= set(raw.table().column(TEXT).to_pylist())
    more = draw_holdout(raw, curated, 100, 0, GO_ON)
    assert (len(more.texts), more.from_train) == (15 + 3, 3)  # a fifth of the 15 untouched rows of train
    assert draw_holdout(raw, curated, 12, 0, GO_ON) == few
    assert draw_holdout(raw, curated, 12, 1, GO_ON) != few


def test_neither_arm_has_what_was_held_out(pair: tuple[StoredDataset, StoredDataset]) -> None:
    raw, curated = pair
    holdout = draw_holdout(raw, curated, 18, 0, GO_ON)
    roots = held_out_roots(curated, holdout)
    assert len(roots) == 20 + 3
    for data, rows in ((raw, 60 - 23), (curated, 20 - 3)):
        found = arm(data, holdout, roots)
        assert found.rows == len(found.texts) == rows
        assert not set(found.row_ids) & roots
        assert found.left_out == {"blank": 0, "held_out": 23, "holds_holdout": 0}


def test_copies_and_parts_of_the_holdout_are_found(make_dataset: Make) -> None:
    two = [f"{text_of(50, 30)}\n\n{text_of(51, 30)}"]
    holdout = take_holdout(make_dataset([text_of(n) for n in range(12)] + two, uri="h.jsonl"), 100, 0)
    words = text_of(0).split()
    turned = f"{text_of(51, 30)}\n\n{text_of(50, 30)}"
    edited = " ".join("other" if n % 17 == 3 else word for n, word in enumerate(words))
    inside = f"{text_of(900)} {' '.join(words[:60])} {text_of(901)}"
    rows = [
        text_of(0),
        text_of(1).upper(),
        edited,
        inside,
        " ".join(words[40:]),
        turned,
        "  ",
        *map(text_of, range(100, 110)),
    ]
    found = arm(make_dataset(rows), holdout, frozenset())
    assert found.row_ids == tuple(f"in.jsonl#{n}" for n in range(7, 17))
    assert found.left_out == {"blank": 1, "held_out": 0, "holds_holdout": 6}


def test_what_descends_from_a_held_out_row_is_left_out(make_dataset: Make) -> None:
    raw = make_dataset([text_of(n) for n in range(30)])
    table = raw.table()
    ids = [f"{row_id}~window.0" for row_id in table.column(ROW_ID).to_pylist()]
    derived = make_dataset(table.set_column(0, ROW_ID, pa.array(ids, pa.large_string())))
    holdout = Holdout(("x#0",), ("nothing of the kind",))
    assert arm(derived, holdout, frozenset({"in.jsonl#3"})).left_out["held_out"] == 1


def test_a_draw_of_a_large_arm(pair: tuple[StoredDataset, StoredDataset]) -> None:
    raw, curated = pair
    holdout = draw_holdout(raw, curated, 12, 0, GO_ON)
    found = arm(raw, holdout, frozenset(), most=3000)
    assert 3000 <= sum(len(text.encode()) for text in found.texts) < 4200
    assert found.rows == 48
    assert arm(raw, holdout, frozenset(), most=3000) == found
    assert arm(raw, holdout, frozenset(), most=3000, seed=1) != found


def test_without_untouched_rows_the_holdout_is_as_curated(make_dataset: Make) -> None:
    raw = make_dataset([text_of(n) for n in range(60)])
    table = raw.table()
    upper = pa.array([text.upper() for text in table.column(TEXT).to_pylist()], pa.large_string())
    table = table.set_column(table.schema.get_field_index(TEXT), TEXT, upper)
    split = make_dataset(with_split(table, ["train"] * 45 + ["test"] * 15))
    holdout = draw_holdout(raw, split, 100, 0, GO_ON)
    assert (holdout.origin, len(holdout.texts), holdout.from_train) == ("rewritten", 15, 0)
    unsplit = draw_holdout(raw, make_dataset(table), 100, 0, GO_ON)
    assert (unsplit.origin, len(unsplit.texts), unsplit.from_train) == ("rewritten", 12, 12)


def test_what_is_refused(make_dataset: Make) -> None:
    few = make_dataset([text_of(n) for n in range(9)])
    with pytest.raises(PreconditionError, match="the holdout has 9 documents"):
        take_holdout(few, 100, 0)
    with pytest.raises(PreconditionError, match="the holdout has 1 documents"):
        draw_holdout(few, few, 100, 0, GO_ON)
    with pytest.raises(PreconditionError, match=r"no row of .* is left to train on"):
        arm(few, Holdout(("x#0",), ("nothing",)), frozenset(f"in.jsonl#{n}" for n in range(9)))
