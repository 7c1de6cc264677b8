"""The names of the metrics a scorecard of a dataset may hold, with meaning and direction.

The profiler measures them, gates name them, the parser maps words to them, methods claim to move them. A metric that
is not in this table does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricInfo:
    """What one metric is.

    `scope` says what it is measured on: `data` alone, `run` = against the run's input (retention), `evals` = needs
    evaluation sets, `splits` = needs a split column, `instruction` / `preference` = only on rows of that shape.
    """

    meaning: str
    better: Literal["lower", "higher"]
    unit: Literal["share", "count", "number"]
    scope: Literal["data", "run", "evals", "splits", "instruction", "preference"] = "data"


METRICS: dict[str, MetricInfo] = {
    "rows": MetricInfo("rows in the dataset", "higher", "count"),
    "tokens": MetricInfo("tokens (words and punctuation marks) in the dataset", "higher", "count"),
    "retention": MetricInfo("rows kept of the rows that went in", "higher", "share", "run"),
    "source_retention_min": MetricInfo("smallest share of rows kept of any one source file", "higher", "share", "run"),
    "empty_rate": MetricInfo("rows with no text", "lower", "share"),
    "truncated_rate": MetricInfo("rows whose text was cut off in the middle", "lower", "share"),
    "short_rate": MetricInfo("rows under the brief's smallest length", "lower", "share"),
    "long_rate": MetricInfo("rows over the brief's largest length", "lower", "share"),
    "encoding_damage_rate": MetricInfo("rows with mojibake, U+FFFD or control characters", "lower", "share"),
    "html_rate": MetricInfo("rows with HTML remains", "lower", "share"),
    "boilerplate_rate": MetricInfo("rows with a line that repeats across their source", "lower", "share"),
    "language_rate": MetricInfo("rows in the language that was asked for", "higher", "share"),
    "gopher_quality_fail_rate": MetricInfo("rows that break a Gopher quality rule", "lower", "share"),
    "gopher_repetition_fail_rate": MetricInfo("rows that break a Gopher repetition rule", "lower", "share"),
    "c4_fail_rate": MetricInfo("rows that break a C4 page rule", "lower", "share"),
    "fineweb_fail_rate": MetricInfo("rows that break a FineWeb rule", "lower", "share"),
    "exact_duplicate_rate": MetricInfo("rows whose normalised text stands in an earlier row", "lower", "share"),
    "near_duplicate_rate": MetricInfo("rows the near-duplicate rule drops, exact copies too", "lower", "share"),
    "pii_rate": MetricInfo("rows that hold personal data", "lower", "share"),
    "contamination_rate": MetricInfo("rows that hold an item of an evaluation set", "lower", "share", "evals"),
    "split_leak_rate": MetricInfo("rows outside train with a near-duplicate in train", "lower", "share", "splits"),
    "repeated_instruction_rate": MetricInfo("rows whose instruction stands earlier", "lower", "share", "instruction"),
    "empty_response_rate": MetricInfo("rows with an empty response", "lower", "share", "instruction"),
    "identical_pair_rate": MetricInfo("rows with chosen == rejected", "lower", "share", "preference"),
}
