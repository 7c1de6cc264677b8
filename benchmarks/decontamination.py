"""Recall and false alarms of decontamination on planted items, beside the rules of GPT-3 and Tülu 3.

    python benchmarks/decontamination.py EVAL.jsonl CLEAN.jsonl [--planted ROWS.jsonl TRUTH.json]

EVAL and CLEAN hold `question` and `answer` per line (GSM8K's test and train files). Every question and every answer is
planted once per edit, inside other text; CLEAN counts false alarms. ROWS holds `text`; TRUTH lists `id` (row), `item`
and `kind`; what it does not list is clean.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.core.rows import shape_of
from corpusmith.ops.contamination import Contamination, find_contamination

EDITS = (("verbatim", 0), ("substitute", 1), ("delete", 1), ("insert", 1), ("substitute", 2), ("substitute", 3))


class Rows:
    """A dataset in memory."""

    def __init__(self, **columns: list[str]) -> None:
        count = len(next(iter(columns.values())))
        names = {"row_id": [str(n) for n in range(count)], **columns}
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


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    """Word n-grams."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


class Peers:
    """Tülu 3: over half of an item's 8-grams in one row. GPT-3: any shared 13-gram."""

    def __init__(self, texts: list[str]) -> None:
        self.items: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.sizes = [len(grams(text, 8)) for text in texts]
        self.long = {gram for text in texts for gram in grams(text, 13)}
        for n, text in enumerate(texts):
            for gram in grams(text, 8):
                self.items[gram].append(n)

    def tulu(self, row: str) -> bool:
        """Whether Tülu 3's rule calls the row contaminated."""
        hits = Counter(n for gram in grams(row, 8) for n in self.items.get(gram, ()))
        return any(2 * count > self.sizes[n] for n, count in hits.items())

    def gpt3(self, row: str) -> bool:
        """Whether GPT-3's rule calls the row contaminated."""
        return not self.long.isdisjoint(grams(row, 13))


def edited(text: str, kind: str, times: int, vocabulary: list[str], rng: random.Random) -> str:
    """The text with some words changed."""
    words = text.split(" ")
    for _ in range(times):
        at = rng.randrange(len(words))
        if kind == "substitute":
            words[at] = rng.choice(vocabulary)
        elif kind == "insert":
            words.insert(at, rng.choice(vocabulary))
        elif len(words) > 3:
            del words[at]
    return " ".join(words)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evals", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--planted", type=Path, nargs=2)
    given = parser.parse_args()
    evals, clean = ([json.loads(line) for line in path.open(encoding="utf8")] for path in (given.evals, given.clean))
    rows = Rows(
        instruction=[row["question"] for row in evals],
        input=[""] * len(evals),
        output=[row["answer"] for row in evals],
        text=[""] * len(evals),
    )

    def search(texts: list[str]) -> Contamination:
        return find_contamination(Rows(text=texts), [rows], InProcess(), threshold=0.3)  # type: ignore[arg-type,list-item]

    peers = Peers([row[field] for row in evals for field in ("question", "answer")])
    rng = random.Random(7)
    vocabulary = [word for row in clean[:2000] for word in row["question"].split()]
    levels = (0.7, 0.75, 0.8, 0.85, 0.9)
    print("| planted | edits | " + " | ".join(f"ours, {level}" for level in levels) + " | Tülu 3 | GPT-3 |")
    print("|---" * (len(levels) + 4) + "|")
    for field in ("question", "answer"):
        for kind, times in EDITS:
            texts = [
                f"{rng.choice(clean)['question']}\n\n{edited(row[field], kind, times, vocabulary, rng)}"
                for row in evals
            ]
            found = search(texts).score
            ours = " | ".join(f"{np.mean(found >= level):.4f}" for level in levels)
            tulu, gpt3 = np.mean([peers.tulu(text) for text in texts]), np.mean([peers.gpt3(text) for text in texts])
            print(f"| {field} | {times} x {kind} | {ours} | {tulu:.4f} | {gpt3:.4f} |")
    texts = [f"{row['question']}\n{row['answer']}" for row in clean]
    scores = search(texts).score
    ours = " | ".join(str(int((scores >= level).sum())) for level in levels)
    alarms = sum(map(peers.tulu, texts)), sum(map(peers.gpt3, texts))
    print(f"| {len(texts)} clean rows | false alarms | {ours} | {alarms[0]} | {alarms[1]} |")
    if given.planted:
        planted(search, *given.planted)


def planted(search: Any, rows: Path, truth: Path) -> None:
    """Print what is found by kind at the default threshold."""
    texts = [json.loads(line)["text"] for line in rows.open(encoding="utf8")]
    known = {entry["id"]: entry for entry in json.loads(truth.read_text())}
    found = search(texts)
    kinds: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row in range(len(texts)):
        kind, item = (known[row]["kind"], known[row]["item"]) if row in known else ("clean", -1)
        hit = bool(found.score[row] >= 0.8)
        kinds[kind].append((hit, hit and found.item[row] == item))
    print("\n| kind | rows | found | with the right item |\n|---|---|---|---|")
    for kind, hits in sorted(kinds.items()):
        print(f"| {kind} | {len(hits)} | {sum(hit for hit, _ in hits)} | {sum(right for _, right in hits)} |")


if __name__ == "__main__":
    main()
