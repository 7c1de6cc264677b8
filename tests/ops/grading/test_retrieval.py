from __future__ import annotations

import math

import pytest

from corpusmith.ops.grading.retrieval import grade_ranking, ranking_metrics


def test_one_relevant_passage_by_its_place() -> None:
    assert grade_ranking(["a", "b"], ["a"]) == grade_ranking(["a"], ["a"])
    second = grade_ranking(["x", "a"], ["a"])
    assert (second.recall, second.reciprocal_rank) == (1.0, 0.5)
    assert second.ndcg == pytest.approx(1 / math.log2(3))
    assert grade_ranking(["x", "y"], ["a"]).ndcg == 0.0
    assert grade_ranking([], ["a"]).recall == 0.0
    assert grade_ranking(["x", "a"], ["a"], 1).recall == 0.0


def test_several_relevant_passages() -> None:
    found = grade_ranking(["a", "x", "b"], ["a", "b", "c"])
    assert found.recall == pytest.approx(2 / 3)
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert found.ndcg == pytest.approx((1 + 1 / 2) / ideal)
    assert grade_ranking([str(n) for n in range(10)], [str(n) for n in range(30)]).recall == 1.0


def test_metrics_are_means_with_intervals() -> None:
    grades = [grade_ranking(["a"], ["a"]), grade_ranking(["x", "a"], ["a"]), grade_ranking(["x"], ["a"])]
    found = ranking_metrics(grades)
    assert found["recall_at_10"].value == pytest.approx(2 / 3)
    assert found["mrr"].value == pytest.approx(0.5)
    assert found["mrr"].n == 3
    assert found["mrr"].low is not None
    assert found["mrr"].low <= 0.5
    assert math.isnan(ranking_metrics([])["mrr"].value)
