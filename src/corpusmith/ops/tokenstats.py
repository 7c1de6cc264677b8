"""Statistics of a corpus by its tokens (words and punctuation marks, not a model's sub-words): a fold and what follows.

Includes the sequence length that wastes least: for each candidate length, truncation = tokens cut / all tokens,
padding = positions unused / (length x rows), efficiency = 1 - (truncation + padding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.rows import TEXT
from corpusmith.ops.kernels.characters import character_table

SEQUENCE_LENGTHS = (128, 256, 512, 1024, 2048)
LISTED = 50
MAX_TOKEN_CHARS = 64
"""Longer tokens are listed cut."""
SETTLE_TOKENS = 100_000
"""Fewer waiting tokens are never worth a merge."""


@dataclass(frozen=True)
class TokenTable:
    """Distinct tokens by hash, in order of first occurrence.

    Attributes:
        hashes: uint64, u.
        counts: int64, u.
        texts: large_string, u.
        pending: Tables that follow it and are not merged in yet, with nothing pending of their own.
    """

    hashes: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]
    texts: pa.Array
    pending: tuple[TokenTable, ...] = field(default=())

    def settled(self) -> TokenTable:
        """The same with nothing pending."""
        if not self.pending:
            return self
        tables = (self, *self.pending)
        hashes = np.concatenate([table.hashes for table in tables])
        counts = np.concatenate([table.counts for table in tables])
        distinct, first, where = np.unique(hashes, return_index=True, return_inverse=True)
        sums = np.zeros(distinct.size, np.int64)
        np.add.at(sums, where, counts)
        order = np.argsort(first, kind="stable")
        texts = pa.concat_arrays([table.texts for table in tables]).take(pa.array(first[order]))
        return TokenTable(distinct[order], sums[order], texts)


@dataclass(frozen=True)
class TokenCounts:
    """Fold: how often each token stands in `text`. The state is a `TokenTable`; call `settled()` on the last."""

    name: str = "token_counts"

    def initial(self) -> TokenTable:
        """No tokens."""
        return TokenTable(np.zeros(0, np.uint64), np.zeros(0, np.int64), pa.array([], pa.large_string()))

    def fold(self, batch: pa.Table) -> TokenTable:
        """The tokens of one batch."""
        from corpusmith.ops.kernels.text import token_counts  # loads numba: only when used
        from corpusmith.ops.kernels.words import utf8_buffers

        data, offsets = utf8_buffers(batch.column(TEXT))
        hashes, counts, spans = token_counts(data, offsets, character_table())
        return TokenTable(hashes, counts, _cut_out(data, spans))

    def merge(self, left: TokenTable, right: TokenTable) -> TokenTable:
        """Both; amortised, so that a long fold does not sort everything at every step, nor hold much more than once."""
        if not left.hashes.size:
            return right
        merged = TokenTable(left.hashes, left.counts, left.texts, (*left.pending, right.settled()))
        waiting = sum(table.hashes.size for table in merged.pending)
        return merged.settled() if waiting > max(SETTLE_TOKENS, left.hashes.size // 3) else merged


def _cut_out(data: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64]) -> pa.Array:
    """The texts that stand in `data` at `spans` (int64, (u, 2)), no longer than `MAX_TOKEN_CHARS`."""
    sizes = spans[:, 1] - spans[:, 0]
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    places = np.arange(bounds[-1]) + np.repeat(spans[:, 0] - bounds[:-1], sizes)
    texts = pa.LargeStringArray.from_buffers(sizes.size, pa.py_buffer(bounds), pa.py_buffer(data[places]))
    return pc.utf8_slice_codeunits(texts, 0, MAX_TOKEN_CHARS) if (sizes > MAX_TOKEN_CHARS).any() else texts


def token_statistics(table: TokenTable, lengths: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Plain numbers about tokens and the lengths of rows in tokens.

    Args:
        table: What `TokenCounts` found.
        lengths: Tokens per row.

    Returns:
        total, unique, top and rare (token, count) pairs, `coverage` (distinct tokens that make up 50/90/99 % of all),
        `length` (mean, median, min, max, std, p90, p99; empty without rows), `sequence_length`.
    """
    table = table.settled()
    order = np.lexsort((np.arange(table.counts.size), -table.counts))
    counts = table.counts[order]
    total = int(counts.sum())
    shares = np.cumsum(counts) / max(total, 1)
    names = table.texts.take(pa.array(np.concatenate([order[:LISTED], order[-LISTED:]]))).to_pylist()
    pairs = list(zip(names, np.concatenate([counts[:LISTED], counts[-LISTED:]]).tolist(), strict=True))
    listed = min(LISTED, counts.size)
    return {
        "total": total,
        "unique": int(counts.size),
        "once": int((counts == 1).sum()),
        "top": pairs[:listed],
        "rare": pairs[listed:][::-1],
        "coverage": {
            str(goal): int(np.searchsorted(shares, goal / 100 - 1e-12) + 1) if total else 0 for goal in (50, 90, 99)
        },
        "length": length_statistics(lengths),
        "sequence_length": sequence_length(lengths),
    }


def length_statistics(lengths: npt.NDArray[np.int64]) -> dict[str, float]:
    """Mean, median, min, max, standard deviation (population), p90 and p99; empty without rows."""
    if not lengths.size:
        return {}
    middle, p90, p99 = np.percentile(lengths, [50, 90, 99])
    return {
        "mean": float(lengths.mean()), "median": float(middle), "min": float(lengths.min()),
        "max": float(lengths.max()), "std": float(lengths.std()), "p90": float(p90), "p99": float(p99),
    }  # fmt: skip


def sequence_length(lengths: npt.NDArray[np.int64], candidates: Sequence[int] = SEQUENCE_LENGTHS) -> dict[str, Any]:
    """The candidate length with the highest efficiency, rows cut or padded to it, and every candidate's figures.

    Args:
        lengths: Tokens per row, as they are (not yet cut).
        candidates: Lengths to weigh; a tie goes to the shorter.
    """
    total = int(lengths.sum())
    if not total:
        return {"recommended": None, "candidates": []}
    table = []
    for length in candidates:
        cut = int(np.maximum(lengths - length, 0).sum()) / total
        padding = int(np.maximum(length - lengths, 0).sum()) / (length * lengths.size)
        table.append({"length": length, "truncation": cut, "padding": padding, "efficiency": 1 - (cut + padding)})
    best = max(table, key=lambda row: (round(row["efficiency"], 12), -row["length"]))
    return {"recommended": best["length"], "candidates": table}
