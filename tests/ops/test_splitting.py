from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.splitting import (
    GIVEN,
    NAMED,
    SPLITS,
    GivenSplit,
    assign_splits,
    given_splits,
    same_value_links,
    union_groups,
)


def keys(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**63, count, dtype=np.uint64)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), data=st.data())
def test_components_match_a_plain_search(count: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=60))
    left = np.array([a for a, _ in pairs], np.int64)
    right = np.array([b for _, b in pairs], np.int64)
    got = union_groups(count, [(left[::2], right[::2]), (left[1::2], right[1::2])])
    want = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            want[a] = want[b] = min(want[a], want[b])
    assert got.tolist() == want


def test_no_links_no_groups() -> None:
    assert union_groups(3, []).tolist() == [0, 1, 2]
    assert union_groups(0, []).tolist() == []


def test_equal_values_are_linked_and_zero_is_no_value() -> None:
    left, right = same_value_links(np.array([7, 0, 7, 0, 3, 7], np.uint64))
    assert union_groups(6, [(left, right)]).tolist() == [0, 1, 0, 3, 4, 0]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    shares=st.sampled_from([(0.8, 0.1, 0.1), (0.9, 0.0, 0.1), (0.5, 0.25, 0.25), (1.0, 0.0, 0.0), (0.34, 0.33, 0.33)]),
)
def test_groups_stay_whole_and_shares_are_met_within_a_group(sizes: list[int], shares: tuple[float, ...]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    asked = dict(zip(SPLITS, shares, strict=True))
    split = assign_splits(groups, np.ones(len(groups), np.int64), keys(len(groups)), asked)
    assert all(len(set(split[groups == group])) == 1 for group in range(len(sizes)))
    got = np.bincount(split, minlength=3)
    target = np.array(shares) * len(groups)
    assert (got[np.array(shares) == 0] == 0).all()
    assert (got - target < max(sizes)).all()


@pytest.mark.parametrize("count", [10, 100, 1003])
def test_single_rows_are_shared_out_exactly(count: int) -> None:
    groups = np.arange(count)
    split = assign_splits(groups, np.ones(count, np.int64), keys(count), {"train": 0.8, "validation": 0.1, "test": 0.1})
    assert np.abs(np.bincount(split, minlength=3) - np.array([0.8, 0.1, 0.1]) * count).max() <= 1


def test_weights_count_and_the_seed_matters() -> None:
    groups, weights = np.arange(200), np.where(np.arange(200) < 100, 9, 1)
    one = assign_splits(groups, weights, keys(200), {"train": 0.5, "test": 0.5})
    two = assign_splits(groups, weights, keys(200, 1), {"train": 0.5, "test": 0.5})
    assert (one != two).any()
    assert abs(weights[one == 0].sum() - 500) <= 9


@pytest.mark.parametrize(
    ("source", "meta", "split", "named"),
    [
        ("a.jsonl", '{"split": "Test"}', "test", False),
        ("train.jsonl", '{"split": "dev"}', "validation", False),
        ("train.jsonl", '{"split": "spare"}', None, False),
        ("all.json", '{"json_path": "train.articles.samples"}', "train", True),
        ("train.json", '{"json_path": "sets.test"}', "test", True),
        ("train-00000-of-00002.parquet", "{}", "train", True),
        ("data/gsm8k_test.jsonl", "{}", "test", True),
        ("train/articles.jsonl", "{}", "train", True),
        ("train/val.jsonl", "{}", "validation", True),
        ("train_and_test.jsonl", "{}", None, False),
        ("trains.jsonl", '{"split": 3}', None, False),
        ("contest/data.jsonl", '{"split": " "}', None, False),
    ],
)
def test_the_split_of_a_row_is_its_field_or_the_name_of_its_list_or_file(
    source: str, meta: str, split: str | None, named: bool
) -> None:
    out = GivenSplit().apply(pa.table({"source": [source], "meta": [meta]}))
    assert (out.column(GIVEN).to_pylist(), out.column(NAMED).to_pylist()) == ([split], [named])


@pytest.mark.parametrize(
    ("sources", "splits"),
    [
        (["train.jsonl", "test.jsonl"], ["train", "test"]),
        (["train.jsonl", "train.jsonl"], ["train", "train"]),
        (["test.jsonl", "test.jsonl"], [None, None]),
        (["train.jsonl", "more.jsonl"], [None, None]),
    ],
)
def test_names_count_only_where_every_row_has_one_and_train_is_among_them(
    sources: list[str], splits: list[str | None]
) -> None:
    table = pa.table({"source": sources, "meta": ["{}"] * len(sources)})
    assert given_splits(GivenSplit().apply(table)) == splits


def test_a_field_counts_whatever_names_say() -> None:
    table = pa.table({"source": ["x.jsonl", "test.jsonl"], "meta": ['{"split": "train"}', "{}"]})
    assert given_splits(GivenSplit().apply(table)) == ["train", "test"]
    table = pa.table({"source": ["x.jsonl", "y.jsonl", "test.jsonl"], "meta": ['{"split": "train"}', "{}", "{}"]})
    assert given_splits(GivenSplit().apply(table)) == ["train", None, None]
