"""How well `ops.grounding` tells answers made from documents from answers made from other documents.

    python benchmarks/grounding.py [DOCUMENTS] [--answers INSTRUCTIONS]

DOCUMENTS is anything `ingest` reads; by default Python's own documentation. From every document a few answers of one to
four sentences are copied. They are scored as they are and edited at random (half of the edits delete a word, half put
another one in its place): these are grounded. They are also scored against the documents without their own and without
every document that shares much text with it: these are not. INSTRUCTIONS are scored as they are, beside them.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import shape_of
from corpusmith.ops.grounding import MIN_WORDS, Grounding, find_grounding
from corpusmith.sources import open_sources
from corpusmith.sources.bundled import bundled_documents

EDITS = (0.0, 0.15, 0.3, 0.5)
THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5)
ALIKE = 0.05
"""Share of a document's word 4-grams from which another one is taken to be of the same text."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+")


class Rows:
    """A dataset in memory."""

    def __init__(self, **columns: Sequence[str]) -> None:
        count = len(next(iter(columns.values())))
        names: dict[str, Any] = {"row_id": [str(n) for n in range(count)], **columns}
        self.all = pa.table({name: pa.array(values, pa.large_string()) for name, values in names.items()})
        self.shape = shape_of(self.all.schema)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows."""
        yield self.all.select(columns)


class InProcess:
    """An engine of one method."""

    def stream(self, data: Any, operators: Sequence[Any], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Run the one operator."""
        yield operators[0].apply(data.all).select(columns)


def read(path: str, columns: Sequence[str]) -> list[list[str]]:
    """The columns of everything at `path`."""
    found: list[list[str]] = [[] for _ in columns]
    for table in open_sources([path]).batches():
        for at, name in enumerate(columns):
            found[at] += table.column(name).to_pylist()
    return found


def scores(answers: Sequence[str], texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """The score of every answer against the texts."""
    found: Grounding = find_grounding(Rows(text=answers), [Rows(text=texts)], InProcess())  # type: ignore[arg-type,list-item]
    return found.score


def grams(text: str) -> set[tuple[str, ...]]:
    """Word 4-grams."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}


def answers_of(text: str, rng: random.Random, count: int) -> list[str]:
    """A few answers copied out of a document: one to four of its sentences in a row."""
    pieces = [piece.strip() for piece in _SENTENCE.split(text)]
    sentences = [piece for piece in pieces if len(piece.split()) >= MIN_WORDS and piece[-1] in ".!?"]
    out = []
    for _ in range(count):
        length = rng.randint(1, 4)
        if len(sentences) >= length:
            at = rng.randrange(len(sentences) - length + 1)
            out.append(" ".join(sentences[at : at + length]))
    return out


def edited(text: str, share: float, vocabulary: Sequence[str], rng: random.Random) -> str:
    """The text with about `share` of its words deleted or replaced."""
    out = []
    for word in text.split():
        draw = rng.random()
        if draw >= share / 2:
            out.append(rng.choice(vocabulary) if draw < share else word)
    return " ".join(out)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="?")
    parser.add_argument("--answers")
    parser.add_argument("--each", type=int, default=8, help="answers per document")
    parser.add_argument("--most", type=int, default=200, help="documents that answers are taken from")
    given = parser.parse_args()
    rng = random.Random(0)
    if given.documents:
        (texts,) = read(given.documents, ["text"])
    else:
        texts = ["\n\n".join(document.paragraphs) for document in bundled_documents()]
    vocabulary = [word for text in texts for word in text.split()]
    sets = [grams(text) for text in texts]
    made: dict[str, list[str]] = defaultdict(list)
    negative = []
    for at in rng.sample(range(len(texts)), min(given.most, len(texts))):
        answers = answers_of(texts[at], rng, given.each)
        if not answers:
            continue
        for share in EDITS:
            made[f"{share:.0%} of the words edited" if share else "copied"] += [
                edited(answer, share, vocabulary, rng) for answer in answers
            ]
        own = sets[at]
        others = [t for t, s in zip(texts, sets, strict=True) if len(own & s) <= ALIKE * max(1, min(len(own), len(s)))]
        negative.append(scores(answers, others))
    groups = {"of other documents": np.concatenate(negative)}
    groups |= {name: scores(answers, texts) for name, answers in made.items()}
    seconds = 0.0
    if given.answers:
        (outputs,) = read(given.answers, ["output"])
        began = time.perf_counter()
        groups["of the instruction set"] = scores(outputs, texts)
        seconds = time.perf_counter() - began
    print(f"{len(texts):,} documents, {len(vocabulary):,} words")
    print("| answers | n | too short | 5 % | median | 95 % | AUC |" + "".join(f" < {t} |" for t in THRESHOLDS))
    print("|---|---|---|---|---|---|---|" + "---|" * len(THRESHOLDS))
    low = groups["of other documents"]
    low = low[~np.isnan(low)]
    for name, values in groups.items():
        judged = values[~np.isnan(values)]
        five, half, most = np.quantile(judged, [0.05, 0.5, 0.95])
        above = np.mean(judged[:, None] > low) + np.mean(judged[:, None] == low) / 2
        auc = f"{above:.4f}" if name in made else ""
        shares = "".join(f" {np.mean(judged < t):.2%} |" for t in THRESHOLDS)
        short = int(np.isnan(values).sum())
        print(f"| {name} | {values.size:,} | {short} | {five:.3f} | {half:.3f} | {most:.3f} | {auc} |{shares}")
    if seconds:
        print(f"the instruction set took {seconds:.2f} s, index and all")


if __name__ == "__main__":
    main()
