from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.ops import contamination
from corpusmith.ops.contamination import Contamination, ContaminationScan, find_contamination
from corpusmith.ops.eval_index import build_index
from corpusmith.store.dataset import StoredDataset

Make = Callable[..., StoredDataset]
NAMES = ["Ada", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal", "Ivy", "Jo", "Kit", "Lou", "Max", "Ned", "Ola", "Pip"]
THINGS = ["apples", "boats", "candles", "drums", "eggs", "flutes", "globes", "hats", "inks", "jars", "kites", "lamps"]
THINGS += ["maps", "nets", "oars", "pens"]


def question(n: int) -> str:
    name, thing, other = NAMES[n % 16], THINGS[(3 * n) % 16], THINGS[(7 * n + 5) % 16]
    return (
        f"{name} has {n + 13} {thing} in a box under the stairs and buys {2 * n + 31} more {other} on the way home. "
        f"How many {thing} and {other} does {name} have in the end?"
    )


ITEMS = [
    {
        "instruction": question(n),
        "input": "",
        "output": f"{NAMES[n % 16]} adds {n + 13} and {2 * n + 31}, which makes {3 * n + 44}.",
    }
    for n in range(12)
]
PROSE = "The tide comes in twice a day, and the fishermen know the hour of it as they know their own names. "


@pytest.fixture
def search(make_dataset: Make) -> Iterator[Callable[..., Contamination]]:
    engine = LocalEngine()

    def run(
        rows: list[Any], items: list[Any] | None = None, shape: Shape = Shape.TEXT, **options: Any
    ) -> Contamination:
        evals = make_dataset(ITEMS if items is None else items, shape=Shape.INSTRUCTION, uri="evals.jsonl")
        return find_contamination(make_dataset(rows, shape=shape), [evals], engine, **options)

    yield run
    engine.close()


def edited(text: str, kind: str, at: int) -> str:
    words = text.split()
    at %= len(words)
    if kind == "delete":
        del words[at]
    elif kind == "insert":
        words.insert(at, "really")
    else:
        words[at] = "several"
    return " ".join(words)


@pytest.mark.parametrize("kind", ["verbatim", "middle", "upper", "bare", "reflowed", "delete", "insert", "substitute"])
def test_every_variant_of_every_item_is_found(search: Callable[..., Contamination], kind: str) -> None:
    def change(n: int, text: str) -> str:
        text = edited(text, kind, 5 * n) if kind in ("delete", "insert", "substitute") else text
        plain = {
            "verbatim": text,
            "upper": text.upper(),
            "bare": "".join(c for c in text if c.isalnum() or c == " "),
            "reflowed": text.replace(" ", "\n \n"),
        }
        return plain.get(kind, f"{PROSE}\n\n{text}\n\n{PROSE}")

    found = search([change(n, item["instruction"]) for n, item in enumerate(ITEMS)])
    assert found.item.tolist() == list(range(12))
    assert (found.score >= 0.8).all()


def test_the_answer_alone_is_found(search: Callable[..., Contamination]) -> None:
    assert search([f"{PROSE}\n{ITEMS[3]['output']}"]).item.tolist() == [3]


def test_other_text_and_wording_that_items_share_are_no_alarm(search: Callable[..., Contamination]) -> None:
    shared = "Zoe has 3 pearls in a box under the stairs and buys 4 more rings on the way home."
    assert search([PROSE, shared, "", "!!!", "How many does Ada have in the end?"]).item.tolist() == [-1] * 5


def test_a_prompt_of_few_words_counts_only_as_the_whole_of_a_text_or_prompt(
    search: Callable[..., Contamination],
) -> None:
    items = [{"instruction": "Name the capital of Peru.", "input": "", "output": "Lima"}]
    rows = ["Name the capital of Peru!", "Please name the capital of Peru for me.", "Lima"]
    assert search(rows, items).item.tolist() == [0, -1, -1]
    pair = {"instruction": "name the capital of peru", "input": "", "output": "It is Lima, on the coast."}
    assert search([pair], items, Shape.INSTRUCTION).item.tolist() == [0]


def test_items_with_nothing_to_look_for_are_counted(search: Callable[..., Contamination]) -> None:
    assert search(["a"], [{"instruction": "", "input": "", "output": "Lima"}, *ITEMS]).unchecked == 1


def test_a_long_item_is_found_by_a_piece_of_it(search: Callable[..., Contamination]) -> None:
    rng = random.Random(3)
    words = [f"w{rng.randrange(5000)}" for _ in range(900)]
    item = {"instruction": " ".join(words), "input": "", "output": ""}
    assert search([PROSE, f"{PROSE} {' '.join(words[:300])}"], [item]).item.tolist() == [-1, 0]


def test_an_eval_set_of_one_item_and_of_none(search: Callable[..., Contamination]) -> None:
    assert search([ITEMS[0]["instruction"], PROSE], ITEMS[:1]).item.tolist() == [0, -1]
    assert search([PROSE], [{"instruction": "", "input": "", "output": ""}]).item.tolist() == [-1]


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=5), data=st.data())
def test_any_text_is_survived_and_batches_change_nothing(texts: list[str], data: st.DataObject) -> None:
    class Rows:
        shape = Shape.TEXT

        def __init__(self, rows: list[str]) -> None:
            names = ["row_id", "text"]
            self.all = contamination.pa.table(
                {name: contamination.pa.array(rows, contamination.pa.large_string()) for name in names}
            )

        def batches(self, columns: list[str]) -> Iterator[Any]:
            yield self.all.select(columns)

    index, _, _ = build_index([Rows(data.draw(st.lists(st.text(max_size=60), max_size=4)))], 5)  # type: ignore[list-item]
    scan, rows = ContaminationScan(index, 0.8), Rows(texts).all
    whole = scan.apply(rows)
    alone = [scan.apply(rows.slice(n, 1)) for n in range(len(texts))]
    assert whole.column("_item").to_pylist() == [table.column("_item")[0].as_py() for table in alone]
    assert not np.isnan(whole.column("_score")).any()


@pytest.mark.parametrize("options", [{"ngram": 1}, {"threshold": 0.0}, {"threshold": 1.1}])
def test_impossible_parameters_are_refused(search: Callable[..., Contamination], options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        search(["a"], **options)
