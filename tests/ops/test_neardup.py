from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import ROW_ID, SOURCE, TEXT
from corpusmith.ops.neardup import Duplicates, find_duplicates


@dataclass(frozen=True)
class TextRows:
    table_: pa.Table

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
        for start in range(0, self.table_.num_rows, rows):
            yield self.table_.slice(start, rows)


@dataclass(frozen=True)
class InProcess:
    """An engine of one method, over batches of any size."""

    rows: int = 1024

    def stream(self, data: Any, operators: Sequence[Any], columns: Sequence[str]) -> Iterator[pa.Table]:
        for batch in data.batches(rows=self.rows):
            for operator in operators:
                batch = operator.apply(batch)
            yield batch.select(list(columns))


def find(texts: Sequence[str], rows: int = 1024, sources: Sequence[str] | None = None, **options: Any) -> Duplicates:
    columns = {
        ROW_ID: [f"a#{i}" for i in range(len(texts))],
        SOURCE: list(sources or ["a"] * len(texts)),
        TEXT: list(texts),
    }
    table = pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})
    with tempfile.TemporaryDirectory() as folder:
        return find_duplicates(TextRows(table), InProcess(rows), scratch=Path(folder), **options)  # type: ignore[arg-type]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()


def brute_force(
    texts: Sequence[str], jaccard: float, containment: float | None = None, least: int = 20, keep: str = "longest"
) -> list[int]:
    """The greedy leader rule, comparing all pairs."""
    sets = [shingles(text) for text in texts]
    order = list(range(len(texts)))
    if keep == "longest":
        order.sort(key=lambda i: (-len(sets[i]), -len(texts[i].encode()), i))
    kept, answer = [], [-1] * len(texts)
    for row in order:
        for other in kept:
            common, mine = len(sets[row] & sets[other]), len(sets[row])
            near = mine and common / len(sets[row] | sets[other]) >= jaccard
            if near or (containment and mine >= least and common / mine >= containment):
                answer[row] = other
                break
        else:
            kept.append(row)
    return answer


word = st.sampled_from(["a", "b", "c", "d"])
base = st.lists(st.lists(word, min_size=1, max_size=30), min_size=1, max_size=4)


@st.composite
def corpora(draw: st.DrawFn) -> list[str]:
    """Texts cut, joined and edited from a few, so that many pairs lie close to a threshold."""
    bases = draw(base)
    texts = []
    for _ in range(draw(st.integers(1, 14))):
        words = list(draw(st.sampled_from(bases)))
        if draw(st.booleans()):
            words = words[: draw(st.integers(1, len(words)))]
        if draw(st.booleans()):
            words += draw(st.sampled_from(bases))
        if draw(st.booleans()):
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(["x", "y"]))
        texts.append(" ".join(words))
    return texts


@settings(max_examples=60, deadline=None)
@given(corpora(), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from(["longest", "first"]))
def test_join_equals_comparing_all_pairs(texts: list[str], jaccard: float, keep: str) -> None:
    found = find(texts, jaccard=jaccard, keep=keep)
    assert found.kept.tolist() == brute_force(texts, jaccard, keep=keep)


@settings(max_examples=60, deadline=None)
@given(corpora(), st.sampled_from([0.5, 0.8]), st.sampled_from([0.3, 0.5, 0.9]), st.sampled_from([1, 6]))
def test_containment_equals_comparing_all_pairs(texts: list[str], jaccard: float, share: float, least: int) -> None:
    found = find(texts, jaccard=jaccard, containment=share, containment_min_shingles=least)
    assert found.kept.tolist() == brute_force(texts, jaccard, share, least)


@settings(max_examples=30, deadline=None)
@given(corpora(), st.integers(1, 5))
def test_batches_change_nothing_and_a_second_pass_finds_nothing(texts: list[str], rows: int) -> None:
    found, other = find(texts), find(texts, rows=rows)
    assert found.kept.tolist() == other.kept.tolist()
    assert found.similarity.tolist() == other.similarity.tolist()
    left = [text for text, kept in zip(texts, found.kept, strict=True) if kept < 0]
    assert (find(left).kept == -1).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_any_text_is_survived_and_each_dropped_row_names_a_kept_one_like_it(texts: list[str]) -> None:
    found = find(texts)
    for row in np.flatnonzero(found.kept >= 0):
        assert found.kept[found.kept[row]] == -1
        assert 0.8 <= found.similarity[row] <= 1


PAGE = " ".join(f"word{i}" for i in range(100))


def test_similarity_is_the_measured_jaccard() -> None:
    edited = PAGE.replace("word50", "other")
    found = find([PAGE, edited])
    assert found.kept.tolist() == [-1, 0]
    assert found.similarity[1] == pytest.approx(91 / 101)
    assert not found.exact[1]


def test_exact_copies_ignore_case_and_punctuation_but_not_symbols_alone() -> None:
    found = find(["Hello, World!", "hello world", "???", "!!!", " ??? ", "", " ", ""], near=False, keep="first")
    assert found.kept.tolist() == [-1, 0, -1, -1, 2, -1, -1, -1]
    assert found.exact.tolist() == [row >= 0 for row in found.kept.tolist()]


def test_words_differing_in_a_vowel_sign_are_no_copies() -> None:
    assert (find(["क्या", "क्यो", "❤️", "☀️"]).kept == -1).all()


def test_copies_of_a_dropped_row_name_the_row_that_is_kept() -> None:
    edited = PAGE.replace("word50", "other") + " more"
    found = find([PAGE, PAGE.upper(), edited])
    assert found.kept.tolist() == [2, 2, -1]
    assert not found.exact.any()


def test_copies_of_a_dropped_row_are_still_counted_as_copies() -> None:
    long = " ".join(f"w{n}" for n in range(60))
    short = long.rsplit(" ", 2)[0]
    both, alone = find([short, short.upper(), long, short]), find([short, short.upper(), long, short], near=False)
    assert both.kept.tolist() == [2, 2, -1, 2]
    assert not both.exact.any()
    assert both.repeated.tolist() == (alone.kept >= 0).tolist() == [False, True, False, True]


def test_no_chain_of_likenesses_drops_a_row_unlike_what_is_kept() -> None:
    words = PAGE.split()
    chain = [" ".join(words[start : start + 60]) for start in (0, 5, 10, 15)]
    found = find(chain, keep="first", jaccard=0.8)
    assert found.kept.tolist() == [-1, 0, -1, 2]


def test_longest_is_kept_by_default_and_first_on_demand() -> None:
    cut = " ".join(PAGE.split()[:90])
    assert find([cut, PAGE]).kept.tolist() == [1, -1]
    assert find([cut, PAGE], keep="first").kept.tolist() == [-1, 0]


def test_containment_drops_the_part_but_not_a_short_sentence() -> None:
    part, sentence = " ".join(PAGE.split()[:50]), " ".join(PAGE.split()[:10])
    found = find([part, sentence, PAGE], containment=0.5)
    assert found.kept.tolist() == [2, -1, -1]
    assert found.contained.tolist() == [True, False, False]
    assert found.similarity[0] == 1.0


def test_within_source_leaves_copies_across_sources() -> None:
    found = find([PAGE, PAGE, PAGE], sources=["a", "b", "a"], within="source")
    assert found.kept.tolist() == [-1, -1, 0]


def test_many_rows_grow_the_index_and_still_each_is_found() -> None:
    texts = [" ".join(f"w{(i * 7919 + j) % 50_000}" for j in range(60)) for i in range(3000)]
    found = find([*texts, *(text + " end" for text in texts)], keep="first")
    assert found.kept.tolist() == [-1] * 3000 + list(range(3000))


@pytest.mark.parametrize(
    "options", [{"jaccard": 0.0}, {"jaccard": 1.5}, {"containment": 0.0}, {"containment": 0.5, "keep": "first"}]
)
def test_impossible_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        find(["a"], **options)
