"""Questions that a corpus asks and answers itself: the pairs that an index is graded on. No model writes them.

    question   a sentence with a question mark, and the passage that goes on after it
    heading    a heading of at least three words, and the passage under it
    title      a document's title, and every passage of it
    sentence   the first sentence of a passage, and the rest of it

What is asked is taken out of the passages that answer it (and a title out of what its document is found by), so no
question finds its own words. A question that stands in any other passage too is not used, nor a title that two
documents share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from corpusmith.models.retrieval.chunks import Chunk
from corpusmith.models.retrieval.terms import Terms

PairKind = Literal["question", "heading", "title", "sentence"]

LEAST_REST = 200
LEAST_TOKENS = 3
MOST_TITLES = 25
_QUESTION = re.compile(r"(?:^|(?<=[.!?:\n]))[ \t>*_-]*([A-ZÀ-ÞА-Я¿][^.!?\n]{15,220}\?)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.{8,160}?)[ \t#]*$", re.MULTILINE)
_SENTENCE = re.compile(r"\A[\s>#*_-]*((?![a-zß-ÿа-я])[^\W\d_][^.!?\n]{40,300}[.!])(?=\s)")
_MARKS = re.compile(r"[*_`#\[\]]+|\(https?://[^)\s]*\)|https?://\S+")
_LEAST_WORDS: Mapping[str, int] = {"question": 4, "heading": 3, "title": 3, "sentence": 8}


@dataclass(frozen=True)
class Pair:
    """A question and what answers it.

    Attributes:
        question: As it is asked.
        kind: Where it comes from.
        relevant: Ids of the chunks that answer it.
        row_id: Their document.
        taken: Chunk id to its text without the question.
    """

    question: str
    kind: PairKind
    relevant: tuple[str, ...]
    row_id: str
    taken: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exam:
    """Pairs, and the corpus as it is searched for them."""

    pairs: tuple[Pair, ...]
    texts: Mapping[str, str]
    untitled: frozenset[str]

    def shown(self, chunk: Chunk) -> Chunk:
        """A chunk as the exam's index holds it: without what is asked of it."""
        text = self.texts.get(chunk.id, chunk.text)
        about = replace(chunk.about, title="") if chunk.parent in self.untitled else chunk.about
        return replace(chunk, text=text, about=about)


def build_exam(chunks: Sequence[Chunk], terms: Terms, most: int, seed: int) -> Exam:
    """Pairs out of a corpus, at most one per passage, drawn by seed, real questions first.

    Args:
        chunks: Every chunk of the corpus.
        terms: Cuts a question into tokens: one with fewer than three that tell anything is not asked.
        most: Pairs at most.
        seed: Of the draw.
    """
    by_row: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_row.setdefault(chunk.parent, []).append(chunk)
    haystack = "\x00".join(_plain(chunk.text) for chunk in chunks)
    rng = np.random.default_rng(seed)
    names = Counter(_plain(of_row[0].about.title) for of_row in by_row.values())
    titled = [pair for of_row in by_row.values() for pair in _title_pairs(of_row)]
    titles = _drawn(rng, [pair for pair in titled if names[_plain(pair.question)] == 1], len(by_row))
    pools = [
        [pair for chunk in chunks for pair in _pairs_in(chunk, kind)] for kind in ("question", "heading", "sentence")
    ]
    ranked = [
        *titles[: min(MOST_TITLES, max(1, most // 4))],
        *(p for pool in pools for p in _drawn(rng, pool, len(pool))),
    ]
    chosen: list[Pair] = []
    used: set[str] = set()
    asked: set[str] = set()
    for pair in ranked:
        if len(chosen) >= most:
            break
        key = _plain(pair.question)
        own = sum(_plain(chunk.text).count(key) for chunk in by_row[pair.row_id] if chunk.id in pair.relevant)
        if len(terms.query(pair.question).indices) < LEAST_TOKENS:
            continue
        if key in asked or used & set(pair.taken) or haystack.count(key) > own:
            continue
        if any(key in _plain(text) for text in pair.taken.values()):
            continue
        chosen.append(pair)
        asked.add(key)
        used |= set(pair.taken)
    texts = {id_: text for pair in chosen for id_, text in pair.taken.items()}
    return Exam(tuple(chosen), texts, frozenset(pair.row_id for pair in chosen if pair.kind == "title"))


def _title_pairs(chunks: Sequence[Chunk]) -> Iterator[Pair]:
    about, first = chunks[0].about, chunks[0]
    if about.title == first.source.rpartition("/")[2] or not _enough(about.title, "title"):
        return
    pattern = re.compile(r"\s+".join(re.escape(word) for word in about.title.split()), re.IGNORECASE)
    taken = {chunk.id: pattern.sub(" ", chunk.text) for chunk in chunks}
    yield Pair(about.title, "title", tuple(chunk.id for chunk in chunks), first.parent, taken)


def _pairs_in(chunk: Chunk, kind: str) -> Iterator[Pair]:
    if chunk.kind == "code":
        return
    pattern = {"question": _QUESTION, "heading": _HEADING, "sentence": _SENTENCE}[kind]
    for found in pattern.finditer(chunk.text):
        asked = " ".join(_MARKS.sub(" ", found[1]).split())
        rest = chunk.text[found.end() :]
        if not _enough(asked, kind) or len(rest.strip()) < LEAST_REST:
            continue
        left = chunk.text[: found.start(1)] + " " + rest
        yield Pair(asked, kind, (chunk.id,), chunk.parent, {chunk.id: left})  # type: ignore[arg-type]


def _enough(text: str, kind: str) -> bool:
    return sum(any(letter.isalpha() for letter in word) for word in text.split()) >= _LEAST_WORDS[kind]


def _drawn(rng: np.random.Generator, pairs: Sequence[Pair], most: int) -> list[Pair]:
    return [pairs[at] for at in rng.permutation(len(pairs)).tolist()[:most]]


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub(" ", text).casefold().split())
