"""The words of a text as a sparse vector, for BM25 (Robertson & Zaragoza 2009): tokens, stop words, stems.

Tokenizer and stemmers are those of Qdrant's own BM25 (the `Bm25` of qdrant-edge), so an index answers the same in the
embedded store and on a server; the language is the corpus's. Where the tokenizer has no stemmer for it, words are taken
as they are. Document weights are ours, with the corpus's own mean length; the store multiplies by the inverse document
frequency.

    weight(t, d) = tf (k + 1) / (tf + k (1 - b + b len(d) / avg_len))        k = 1.2, b = 0.75
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpusmith.models.retrieval.extra import need_retrieval_libraries

K, B = 1.2, 0.75
UNSPACED = frozenset({"zh", "ja", "ko", "th", "my", "km", "lo"})
"""Languages written without blanks between words: cut by Qdrant's multilingual tokenizer."""


@dataclass(frozen=True)
class Sparse:
    """A sparse vector: n token ids and their weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class TermStats:
    """How many of the index's chunks hold each token: v token ids in order, v counts."""

    ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    chunks: int

    def idf(self, ids: Iterable[int]) -> npt.NDArray[np.float64]:
        """The inverse document frequency of each token, as Qdrant reckons it; highest for one that stands nowhere."""
        wanted = np.fromiter(ids, np.int64)
        if not self.ids.size:
            return np.ones(wanted.size)
        at = np.minimum(np.searchsorted(self.ids, wanted), self.ids.size - 1)
        df = np.where(self.ids[at] == wanted, self.counts[at], 0)
        return np.asarray(np.log((self.chunks - df + 0.5) / (df + 0.5) + 1.0), np.float64)

    def save(self, path: Path) -> None:
        """Write them to an npz file."""
        np.savez_compressed(path, ids=self.ids, counts=self.counts, chunks=np.array(self.chunks))

    @classmethod
    def load(cls, path: Path) -> TermStats:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            return cls(found["ids"], found["counts"], int(found["chunks"]))


@dataclass(frozen=True)
class Terms:
    """Texts to sparse vectors.

    Attributes:
        language: ISO 639-1 code, or `und`.
        avg_len: Mean tokens of a chunk.
    """

    language: str
    avg_len: float = 256.0
    _model: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_model", _open(self.language))

    @property
    def stemmed(self) -> bool:
        """Whether words are reduced to stems."""
        return _config(self.language) is not None

    def counts(self, text: str) -> dict[int, int]:
        """Token id to how often it stands in a text."""
        found = self._model.embed_document(text)
        weights = np.asarray(found.values, np.float64)  # tf (k + 1) / (tf + k), lengths left out
        return dict(zip(found.indices, np.rint(K * weights / (K + 1 - weights)).astype(int).tolist(), strict=True))

    def document(self, text: str) -> Sparse:
        """A chunk's vector."""
        counts = self.counts(text)
        length = K * (1 - B + B * sum(counts.values()) / max(self.avg_len, 1.0))
        return Sparse(tuple(counts), tuple(tf * (K + 1) / (tf + length) for tf in counts.values()))

    def query(self, text: str) -> Sparse:
        """A question's vector: each of its tokens once."""
        found = self._model.embed_query(text)
        return Sparse(tuple(found.indices), tuple(found.values))


def count_terms(terms: Terms, texts: Iterable[str]) -> tuple[Terms, TermStats]:
    """The same terms with the corpus's mean length, and in how many texts each token stands."""
    found: Counter[int] = Counter()
    length = chunks = 0
    for text in texts:
        counts = terms.counts(text)
        found.update(counts.keys())
        length += sum(counts.values())
        chunks += 1
    ids = np.array(sorted(found), np.int64)
    stats = TermStats(ids, np.array([found[token] for token in ids.tolist()], np.int64), chunks)
    return Terms(terms.language, round(length / max(chunks, 1), 3) or 1.0), stats


def _config(language: str) -> Any:
    """Qdrant's settings for a language; None where it has neither stemmer nor stop words for it."""
    need_retrieval_libraries("qdrant_edge")
    from qdrant_edge import Bm25, Bm25Config, TokenizerType

    cut = TokenizerType.Multilingual if language in UNSPACED else None
    try:
        config = Bm25Config(k=K, b=0.0, language=language, tokenizer=cut)
        Bm25(config)
    except ValueError:
        return None
    return config


def _open(language: str) -> Any:
    from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet, TokenizerType

    config = _config(language)
    if config is None:
        nothing = StopwordsSet(languages=set(), custom=set())
        config = Bm25Config(
            k=K, b=0.0, tokenizer=TokenizerType.Multilingual, stemmer=DisabledStemmer(), stopwords=nothing
        )
    return Bm25(config)
