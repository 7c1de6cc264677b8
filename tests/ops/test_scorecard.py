"""Scorecards, split leaks and figures out of sums."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from corpusmith.core.metrics import METRICS
from corpusmith.ops.figures import build_figures, log_histogram, named_counts
from corpusmith.ops.retention import Retention
from corpusmith.ops.scorecard import build_scorecard, share, split_leaks
from corpusmith.ops.tally import Tally


def tally_of(rows: int, **hits: int) -> Tally:
    tally = Tally(rows=rows, hits=Counter(hits))
    for sizes in tally.sizes.values():
        sizes.append(np.full(rows, 7))
    return tally


def test_shares_have_wilson_intervals():
    metric = share(5, 10)
    assert (metric.value, metric.n) == (0.5, 10)
    assert metric.low == pytest.approx(0.2366, abs=1e-4)
    assert metric.high == pytest.approx(0.7634, abs=1e-4)


def test_counts_are_exact_and_unmeasured_metrics_absent():
    card = build_scorecard(tally_of(4, empty_rate=1, no_such_metric=3), near=np.array([True, False, False, False]))
    assert list(card.metrics) == [name for name in METRICS if name in card.metrics]
    assert set(card.metrics) == {"rows", "tokens", "empty_rate", "near_duplicate_rate"}
    assert (card.metrics["tokens"].value, card.metrics["tokens"].low) == (28, 28)


def test_the_least_kept_source_counts():
    card = build_scorecard(tally_of(3), retention=Retention(10, 3, {"a": (8, 3), "b": (2, 0)}))
    assert card.value("retention") == 0.3
    assert (card.value("source_retention_min"), card.metrics["source_retention_min"].n) == (0.0, 2)


@pytest.mark.parametrize(
    ("kept", "splits", "leaks"),
    [
        ([-1, 0, -1], ["train", "test", "test"], (1, 2)),
        ([-1, 0, 0], ["test", "train", "validation"], (2, 2)),
        ([-1, 0], ["test", "test"], (0, 2)),
        ([-1, -1], ["train", None], (0, 2)),
        ([-1], [None], None),
    ],
)
def test_split_leaks(kept, splits, leaks):
    assert split_leaks(np.array(kept), splits) == leaks


def test_histogram_holds_every_value():
    values = np.array([0, 1, 1, 2, 3, 100, 5000])
    found = log_histogram(values)
    assert sum(found["counts"]) == values.size
    assert found["edges"] == sorted(set(found["edges"]))
    assert found["edges"][-1] > 5000
    assert log_histogram(np.zeros(0, np.int64)) == {"edges": [], "counts": []}


def test_named_counts_sum_the_rest():
    found = named_counts(Counter({f"n{at:03d}": 1 for at in range(150)}))
    assert len(found) == 101
    assert found["(other)"] == 50


def test_figures_are_plain_json():
    exact, similarity = np.array([True, False, False]), np.array([1.0, 0.85, 0.0])
    figures = build_figures(tally_of(3), exact=exact, similarity=similarity, retention=Retention(4, 3, {"a": (4, 3)}))
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert (figures["duplicates"]["exact"], figures["duplicates"]["near"]) == (1, 1)
    assert figures["retention"]["least_kept_sources"] == {"a": {"rows": 4, "kept": 3}}
