"""Accuracy of language identification on a folder of `<iso639-1>.txt` files, one sentence a line.

    python benchmarks/language_id.py DIR [--over 50] [--target 0.97] [--show N]

Judged are the sentences of more than `--over` characters. Prints one line per language with what it is confused with;
`--show` also prints up to N wrong sentences per language.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from corpusmith.ops.language import detect


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--over", type=int, default=50)
    parser.add_argument("--target", type=float, default=0.97)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    print("| language | sentences | right | accuracy | found instead |\n|---|---|---|---|---|")
    right = total = size = 0
    missing, seconds = [], 0.0
    for path in sorted(given.folder.glob("??.txt")):
        sentences = [line for line in path.read_text("utf-8").splitlines() if len(line) > given.over]
        if not sentences:
            continue
        size += sum(len(sentence.encode()) for sentence in sentences)
        started = time.perf_counter()
        codes, _ = detect(sentences)
        seconds += time.perf_counter() - started
        wrong = [(code, text) for code, text in zip(codes, sentences, strict=True) if code != path.stem]
        hits = len(sentences) - len(wrong)
        accuracy = hits / len(sentences)
        instead = ", ".join(f"{code} {count}" for code, count in Counter(code for code, _ in wrong).most_common(6))
        shown = f"{accuracy:.4f}" if accuracy >= given.target else f"**{accuracy:.4f}**"
        print(f"| {path.stem} | {len(sentences)} | {hits} | {shown} | {instead} |")
        for code, text in wrong[: given.show]:
            print(f"    {code}: {text[:160]}")
        missing += [path.stem] if accuracy < given.target else []
        right, total = right + hits, total + len(sentences)
    print(f"| all | {total} | {right} | {right / max(total, 1):.4f} | |")
    print(
        f"\nUnder {given.target}: {', '.join(missing) or 'none'}. {size / max(seconds, 1e-9) / 1e6:.1f} MB/s, one core."
    )


if __name__ == "__main__":
    main()
