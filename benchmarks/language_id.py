"""Accuracy of language identification on a folder of `<iso639-1>.txt` files, one sentence a line.

    python benchmarks/language_id.py DIR [--over 50] [--target 0.97] [--show N]

Judged are the sentences of more than `--over` characters. Prints one line per language with what it is confused with;
`--show` also prints up to N wrong sentences per language. Then, for the filter and the metric (`in_languages`): each
sentence whole and cut to its first 3, 4, 5, 6, 8 and 10 words (8, 12, 16 and 24 characters where there are no spaces),
by letters judged on: the share of genuine rows that stay, and of rows in another of the languages, under the rule and
under FineWeb's 0.65 for every length.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from corpusmith.ops.language import (
    MIN_LETTERS,
    confidence_in,
    detect,
    in_languages,
    language_scores,
    useful_text,
)

BANDS = (MIN_LETTERS, 30, 40, 60, 100)
PAGES = 0.65
"""FineWeb's bound."""
Reading = tuple[int, dict[str, float]]
"""Letters or signs that a text is judged on, and its scores."""
WORDS, CHARS = (3, 4, 5, 6, 8, 10), (8, 12, 16, 24)


def cuts(sentence: str) -> Iterator[str]:
    """The sentence, and its beginnings."""
    yield sentence
    words = sentence.split()
    if len(words) >= WORDS[1]:
        yield from (" ".join(words[:n]) for n in WORDS if n <= len(words))
    else:
        yield from (sentence[:n] for n in CHARS if n <= len(sentence))


def _read(text: str) -> Reading:
    return sum(letter.isalpha() for letter in useful_text(text)), language_scores(text)


def _cuts_of(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield from cuts(line.strip())


def asked_for(readings: Mapping[str, Sequence[Reading]]) -> Iterator[str]:
    """Tables of what stays when a language is asked for: English, then each of the others in turn."""
    for title, asked in (("English", ["en"]), ("each other language in turn", [c for c in readings if c != "en"])):
        yield f"\nAsked for: {title}.\n"
        yield "| letters | genuine rows | stay at 0.65 | stay | foreign rows | stay at 0.65 | stay |"
        yield "|---|---|---|---|---|---|---|"
        for low, high in zip((0, *BANDS), (*BANDS, None), strict=True):
            cells = [f"{low} to {high - 1}" if high else f"{low} and more"]
            for own in (True, False):
                total, sure, kept = _stay(readings, asked, own, low, high)
                cells += [f"{total:,}", f"{sure / max(total, 1):.4f}", f"{kept / max(total, 1):.4f}"]
            yield f"| {' | '.join(cells)} |"


def _stay(
    readings: Mapping[str, Sequence[Reading]], asked: Sequence[str], own: bool, low: int, high: int | None
) -> tuple[int, int, int]:
    """Rows of this many letters, those with 0.65 in the language asked for, and those that the rule keeps."""
    total = sure = kept = 0
    for code in asked:
        wanted = frozenset({code})
        for found in (found for of, found in readings.items() if (of == code) is own):
            here = [
                reading for reading in found if reading[1] and low <= reading[0] and (high is None or reading[0] < high)
            ]
            total += len(here)
            sure += sum(confidence_in(reading[1], wanted) >= PAGES for reading in here)
            kept += sum(bool(in_languages(reading[1], wanted)) for reading in here)
    return total, sure, kept


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
    readings: dict[str, list[Reading]] = {}
    for path in sorted(given.folder.glob("??.txt")):
        lines = path.read_text("utf-8").splitlines()
        readings[path.stem] = [_read(text) for text in {text: 0 for line in lines for text in cuts(line.strip())}]
        sentences = [line for line in lines if len(line) > given.over]
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
    for line in asked_for(readings):
        print(line)


if __name__ == "__main__":
    main()
