"""A corpus of any size out of a smaller one: its rows again and again, with words replaced so that they differ.

python benchmarks/made_corpus.py CORPUS.jsonl OUT.jsonl --mb 1000 [--seed 1] [--share 0.15]
"""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path

WORD = re.compile(r"[a-z]{4,}")


def write(source: Path, out: Path, size_bytes: int, seed: int, share: float) -> int:
    """Write rows until `out` holds `size_bytes`; the first time round as they are. Returns how many."""
    draw = random.Random(seed)
    rows, size, vocabulary = 0, 0, [f"w{n:x}" for n in range(50_000)]
    with out.open("w", encoding="utf-8") as sink:
        for turn in range(10_000):
            with source.open(encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    if turn:
                        row["text"] = WORD.sub(
                            lambda word: draw.choice(vocabulary) if draw.random() < share else word.group(), row["text"]
                        )
                        row["id"] = f"{turn}-{rows}"
                    size += sink.write(json.dumps(row, ensure_ascii=False) + "\n")
                    rows += 1
                    if size >= size_bytes:
                        return rows
    return rows


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.15)
    given = parser.parse_args()
    print(write(given.source, given.out, given.mb * 1_000_000, given.seed, given.share), "rows")


if __name__ == "__main__":
    main()
