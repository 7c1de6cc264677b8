"""Latent semantic analysis (Deerwester et al. 1990): TF-IDF vectors of the corpus's own chunks, cut to their strongest
directions by a randomised SVD (Halko, Martinsson & Tropp 2011). Dense search with no model and no download.

A text's vector is (1 + log tf) idf over the tokens that stand in at least two chunks, of unit length, times the
right singular vectors. The fitted directions are part of the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from corpusmith.core.errors import PreconditionError
from corpusmith.models.retrieval.embedding import EmbedderIdentity, Vectors, unit
from corpusmith.models.retrieval.terms import Terms, TermStats

DIMENSION, OVERSAMPLED, PASSES, SEED = 256, 16, 3, 0
MOST_TERMS = 60_000
_BLOCK = 1024

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Matrix:
    """A sparse matrix by rows."""

    columns: npt.NDArray[np.int64]
    values: Floats
    begins: npt.NDArray[np.int64]
    width: int

    @property
    def rows(self) -> int:
        return int(self.begins.size - 1)

    def times(self, dense: Floats) -> Floats:
        """This times float32[width, d]."""
        out = np.zeros((self.rows, dense.shape[1]), np.float32)
        for start in range(0, self.rows, _BLOCK):
            end = min(start + _BLOCK, self.rows)
            low, high = self.begins[start], self.begins[end]
            if low == high:
                continue
            products = self.values[low:high, None] * dense[self.columns[low:high]]
            filled = np.flatnonzero(np.diff(self.begins[start : end + 1]))
            out[start + filled] = np.add.reduceat(products, self.begins[start:end][filled] - low, axis=0)
        return out

    def turned(self) -> _Matrix:
        """The transpose."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(self.rows), np.diff(self.begins))[order]
        begins = np.concatenate([[0], np.cumsum(np.bincount(self.columns, minlength=self.width))])
        return _Matrix(rows, self.values[order], begins.astype(np.int64), self.rows)


class LsaEmbedder:
    """Directions fitted on a corpus.

    Args:
        terms: What cuts texts into tokens.
        ids: v token ids, in order.
        idf: v inverse document frequencies.
        directions: float32[v, dimension].
    """

    def __init__(self, terms: Terms, ids: npt.NDArray[np.int64], idf: Floats, directions: Floats) -> None:
        self.terms, self.ids, self.idf, self.directions = terms, ids, idf, directions
        digest = xxhash.xxh3_128(ids.tobytes() + idf.tobytes() + directions.tobytes()).hexdigest()
        self._identity = EmbedderIdentity(kind="lsa", name="lsa", digest=digest, dimension=int(directions.shape[1]))

    @property
    def identity(self) -> EmbedderIdentity:
        """Who it is: the digest covers the directions."""
        return self._identity

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Texts, n, to float32[n, dimension]; zeros for a text of unknown words."""
        if not texts:
            return np.zeros((0, self.directions.shape[1]), np.float32)
        return unit(_tf_idf(self.terms, texts, self.ids, self.idf).times(self.directions))

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Questions, likewise."""
        return self.passages(texts)

    def save(self, path: Path) -> None:
        """Write the directions to an npz file."""
        np.savez(path, ids=self.ids, idf=self.idf, directions=self.directions)

    @classmethod
    def load(cls, path: Path, terms: Terms) -> LsaEmbedder:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            return cls(terms, found["ids"], found["idf"], found["directions"])

    @classmethod
    def fit(cls, terms: Terms, stats: TermStats, texts: Sequence[str], dimension: int = DIMENSION) -> LsaEmbedder:
        """Fit on the texts of a corpus.

        Raises:
            PreconditionError: They are too few, or share no words.
        """
        shared = np.flatnonzero(stats.counts >= 2)
        if shared.size > MOST_TERMS:
            shared = np.sort(shared[np.argsort(-stats.counts[shared], kind="stable")[:MOST_TERMS]])
        size = min(dimension, shared.size - 1, len(texts) - 1)
        if size < 2:
            raise PreconditionError(
                f"{len(texts)} chunks share too few words to fit dense vectors on", hint="Leave the embedder at none."
            )
        ids = stats.ids[shared]
        idf = stats.idf(ids.tolist()).astype(np.float32)
        matrix = _tf_idf(terms, texts, ids, idf)
        return cls(terms, ids, idf, _right_vectors(matrix, size))


def _right_vectors(matrix: _Matrix, size: int) -> Floats:
    """The strongest `size` right singular vectors, float32[width, size], each with its largest entry positive."""
    width = min(size + OVERSAMPLED, matrix.rows, matrix.width)
    turned = matrix.turned()
    start = np.random.default_rng(SEED).standard_normal((matrix.rows, width)).astype(np.float32)
    basis, _ = np.linalg.qr(turned.times(start))
    for _ in range(PASSES):
        left, _ = np.linalg.qr(matrix.times(basis.astype(np.float32)))
        basis, _ = np.linalg.qr(turned.times(left.astype(np.float32)))
    _, _, rotation = np.linalg.svd(matrix.times(basis.astype(np.float32)), full_matrices=False)
    found = basis @ rotation[:size].T
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return np.ascontiguousarray(found * np.where(signs == 0, 1, signs), np.float32)


def _tf_idf(terms: Terms, texts: Sequence[str], ids: npt.NDArray[np.int64], idf: Floats) -> _Matrix:
    columns, values, begins = [], [], [0]
    for text in texts:
        counts = terms.counts(text)
        tokens = np.fromiter(counts, np.int64, len(counts))
        at = np.minimum(np.searchsorted(ids, tokens), ids.size - 1)
        known = ids[at] == tokens
        tf = np.fromiter(counts.values(), np.float32, len(counts))[known]
        weights = (1 + np.log(tf)) * idf[at[known]]
        length = float(np.linalg.norm(weights))
        columns.append(at[known])
        values.append((weights / length if length > 0 else weights).astype(np.float32))
        begins.append(begins[-1] + int(known.sum()))
    return _Matrix(np.concatenate(columns), np.concatenate(values), np.array(begins, np.int64), ids.size)
