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
    evaluation sets, `splits` = needs splits, `documents` = needs the documents that answers come from, `instruction` /
    `preference` = only on rows of that shape, `model` = of a trained model on an evaluation set, `ablation` = of the
    data, by models trained on it, `index` = of a search index, on questions that its corpus asks and answers.
    """

    meaning: str
    better: Literal["lower", "higher"]
    unit: Literal["share", "count", "number"]
    scope: Literal[
        "data", "run", "evals", "splits", "documents", "instruction", "preference", "model", "ablation", "index"
    ] = "data"


MADE_OF_DATA = ("model", "ablation", "index")
"""Scopes of what is made of a dataset; a dataset alone can neither show nor break these."""

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
    "instruction_leak_rate": MetricInfo(
        "rows outside train whose instruction stands in train", "lower", "share", "splits"
    ),
    "repeated_instruction_rate": MetricInfo("rows whose instruction stands earlier", "lower", "share", "instruction"),
    "empty_response_rate": MetricInfo("rows with an empty response", "lower", "share", "instruction"),
    "ungrounded_rate": MetricInfo("answers that the documents named do not support", "lower", "share", "documents"),
    "identical_pair_rate": MetricInfo("rows with chosen == rejected", "lower", "share", "preference"),
    "bits_per_byte": MetricInfo("bits the model needs per UTF-8 byte of the responses", "lower", "number", "model"),
    "perplexity": MetricInfo(
        "exp of the mean loss per token; compare only under one tokenizer", "lower", "number", "model"
    ),
    "rouge1": MetricInfo("ROUGE-1 F of the answers", "higher", "share", "model"),
    "rouge2": MetricInfo("ROUGE-2 F of the answers", "higher", "share", "model"),
    "rougeL": MetricInfo("ROUGE-L F of the answers", "higher", "share", "model"),
    "rougeLsum": MetricInfo("ROUGE-Lsum F of the answers, by sentence", "higher", "share", "model"),
    "exact_match": MetricInfo("answers equal to the reference after normalising", "higher", "share", "model"),
    "numeric_match": MetricInfo("answers whose last number is the reference's", "higher", "share", "model"),
    "accuracy": MetricInfo("answers that name the right label", "higher", "share", "model"),
    "f1_macro": MetricInfo("F1 averaged over the labels", "higher", "share", "model"),
    "rmse": MetricInfo("root of the mean squared error of the numbers", "lower", "number", "model"),
    "mae": MetricInfo("mean absolute error of the numbers", "lower", "number", "model"),
    "unparsable_rate": MetricInfo("answers that hold no label or number", "lower", "share", "model"),
    "preference_accuracy": MetricInfo(
        "pairs of which the chosen answer takes fewer bits per byte than the rejected", "higher", "share", "model"
    ),
    "judge_accuracy": MetricInfo("accuracy by a judge, 1 to 3", "higher", "number", "model"),
    "judge_style": MetricInfo("style by a judge, 1 to 3", "higher", "number", "model"),
    "gain_over_base": MetricInfo("how much better than its base, on the primary metric", "higher", "number", "model"),
    "gain_over_base_low": MetricInfo("lower end of that gain's 95 % interval", "higher", "number", "model"),
    "gain_over_few_shot": MetricInfo(
        "how much better than its base with examples in the prompt", "higher", "number", "model"
    ),
    "gain_over_few_shot_low": MetricInfo("lower end of that gain's 95 % interval", "higher", "number", "model"),
    "gain_over_plain": MetricInfo("how much better than the best plain baseline", "higher", "number", "model"),
    "gain_over_plain_low": MetricInfo("lower end of that gain's 95 % interval", "higher", "number", "model"),
    "gain_over_champion": MetricInfo("how much better than the model that is live", "higher", "number", "model"),
    "gain_over_champion_low": MetricInfo("lower end of that gain's 95 % interval", "higher", "number", "model"),
    "forgetting": MetricInfo("bits per byte lost against the base on a general set", "lower", "number", "model"),
    "ablation_gain": MetricInfo("bits per byte won on a clean holdout by curating", "higher", "number", "ablation"),
    "ablation_gain_low": MetricInfo("lower end of that gain's 95 % interval", "higher", "number", "ablation"),
    "recall_at_10": MetricInfo("passages found among the first ten, of those that answer", "higher", "share", "index"),
    "mrr": MetricInfo("one over the place of the first passage that answers, of ten", "higher", "share", "index"),
    "ndcg_at_10": MetricInfo("nDCG of the first ten passages", "higher", "share", "index"),
}
