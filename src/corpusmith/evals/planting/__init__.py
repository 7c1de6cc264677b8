"""Corpora with planted truth: real text, damaged by a seeded generator that writes down what it did to which row.

    plant(Path("demo"), profile="demo", seed=7, rows=2800)

writes `demo/corpus` (the source to give to a run), `demo/evals/items.jsonl` (the evaluation set), `demo/truth.jsonl`
and `demo/planted.json`. `corpusmith.evals.truth.score` judges a run against the truth.
"""

from __future__ import annotations

from corpusmith.evals.planting.planter import plant
from corpusmith.evals.planting.profiles import PROFILES, ProfileName
from corpusmith.evals.planting.truth import PiiValue, PlantedRow, PlantedTruth

__all__ = ["PROFILES", "PiiValue", "PlantedRow", "PlantedTruth", "ProfileName", "plant"]
