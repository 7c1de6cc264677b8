"""Numbers for a report's figures, as plain JSON: histograms, counts by name, and the corpus's token statistics."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from corpusmith.ops.retention import Retention
from corpusmith.ops.tally import Tally
from corpusmith.ops.tokenstats import TokenTable, length_statistics, sequence_length, token_statistics

LISTED = 100
"""Most names a count by name lists; the rest is summed under `(other)`."""


def log_histogram(values: npt.NDArray[np.int64]) -> dict[str, list[int]]:
    """Counts in bins whose edges are 0, 1 and then 4 per doubling up to the largest value.

    `edges` has one entry more than `counts`; bin i holds edges[i] <= value < edges[i + 1].
    """
    if not values.size:
        return {"edges": [], "counts": []}
    steps = int(np.ceil(4 * np.log2(max(2, int(values.max()) + 1)))) + 1
    edges = np.unique(np.concatenate([[0], np.ceil(2 ** (np.arange(steps + 1) / 4))]).astype(np.int64))
    counts, _ = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def named_counts(counter: Counter[str]) -> dict[str, int]:
    """The most frequent names first (ties by name), the rest as `(other)`."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    listed = dict(ranked[:LISTED])
    rest = sum(rows for _, rows in ranked[LISTED:])
    return {**listed, "(other)": rest} if rest else listed


def build_figures(
    tally: Tally,
    *,
    tokens: TokenTable | None = None,
    exact: npt.NDArray[np.bool_] | None = None,
    similarity: npt.NDArray[np.float64] | None = None,
    contaminated: npt.NDArray[np.bool_] | None = None,
    retention: Retention | None = None,
) -> dict[str, Any]:
    """Everything a report draws.

    Args:
        tally: Sums over the rows.
        tokens: What `TokenCounts` found; None leaves the vocabulary out.
        exact: Per row, whether it is an exact copy that goes.
        similarity: Per row, the similarity to the row kept instead; 0 where the row is kept.
        contaminated: Per row, whether it holds an evaluation item.
        retention: Against the run's input.

    Returns:
        JSON-ready mapping; `lengths` and `tokens` count words and punctuation marks as tokens.
    """
    lengths = tally.length("tokens")
    figures: dict[str, Any] = {
        "rows": tally.rows,
        "lengths": {
            unit: {**log_histogram(tally.length(unit)), **length_statistics(tally.length(unit))} for unit in tally.sizes
        },
        "languages": named_counts(tally.found),
        "rules": named_counts(+tally.rules),
        "pii": named_counts(+tally.pii),
        "sources": named_counts(tally.sources),
        "source_count": len(tally.sources),
        "sequence_length": sequence_length(lengths),
    }
    if tokens is not None:
        figures["tokens"] = token_statistics(tokens, lengths)
    if exact is not None and similarity is not None:
        copies = similarity > 0
        counts, edges = np.histogram(similarity[copies & ~exact], bins=20, range=(0.0, 1.0))
        figures["duplicates"] = {
            "exact": int(exact.sum()),
            "near": int((copies & ~exact).sum()),
            "similarity": {"edges": edges.round(2).tolist(), "counts": counts.tolist()},
        }
    if contaminated is not None:
        figures["contaminated"] = int(contaminated.sum())
    if retention is not None:
        ranked = sorted(retention.sources.items(), key=lambda item: (item[1][1] / item[1][0], item[0]))
        figures["retention"] = {
            "rows": retention.rows,
            "kept": retention.kept,
            "least_kept_sources": {name: {"rows": of, "kept": kept} for name, (of, kept) in ranked[:LISTED]},
        }
    return figures
