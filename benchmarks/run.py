"""What `make bench` runs: speed and memory on a made-up corpus, then crash safety, with no data but our own.

    python benchmarks/run.py [--mb 20] [--rounds 3]

The corpus is planted (`corpusmith.evals.planting`), then repeated with words replaced until it is large enough.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import made_corpus

from corpusmith import sources
from corpusmith.core.rows import TEXT
from corpusmith.evals.planting import plant

HERE = Path(__file__).parent


def planted_rows(folder: Path, out: Path) -> None:
    """Write the rows of a planted corpus as JSON lines."""
    plant(folder, profile="demo", seed=7, rows=2800)
    with out.open("w", encoding="utf-8") as sink:
        for table in sources.open_sources([str(folder / "corpus")]).batches():
            for text in table.column(TEXT).to_pylist():
                sink.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def main() -> int:
    """Run the benchmarks; the exit status is that of the crash rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows, corpus = Path(name) / "rows.jsonl", Path(name) / "corpus.jsonl"
        planted_rows(Path(name) / "planted", rows)
        made_corpus.write(rows, corpus, given.mb * 1_000_000, seed=1, share=0.15)
        subprocess.run([sys.executable, str(HERE / "speed.py"), str(corpus), "--max-mb", str(2 * given.mb)], check=True)
    print("\n**crash safety**\n", flush=True)
    return subprocess.run(
        [sys.executable, str(HERE / "crash.py"), "--rounds", str(given.rounds)], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
