"""Recall and precision of personal data on sentences with labelled spans (presidio-research's synthetic data).

    python benchmarks/personal_data.py LABELLED.json [--show N]

LABELLED.json is a list of `{"full_text": …, "spans": [{"entity_type", "start_position", "end_position"}, …]}`.
A labelled value is masked when every letter and digit of it would be replaced, by whatever kind, and masked in part
when some would. A detection is right when it overlaps a labelled span; precision is per kind of ours, with spans of any
kind and with spans of that kind. `--show` prints up to N misses and N false alarms per kind.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from corpusmith.ops.pii import CLAIMED, find

OURS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
    "STREET_ADDRESS": "STREET_ADDRESS",
}
"""Labelled kinds that one of ours looks for."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    rows = json.loads(given.labelled.read_text("utf-8"))
    planted, found, partly = Counter[str](), Counter[str](), Counter[str]()
    made, right, same = Counter[str](), Counter[str](), Counter[str]()
    examples: dict[str, list[str]] = defaultdict(list)
    seconds = 0.0
    for row in rows:
        text = row["full_text"]
        started = time.perf_counter()
        hits = find(text)
        seconds += time.perf_counter() - started
        masked = {at for hit in hits for at in range(hit.start, hit.end)}
        labels = [(span["entity_type"], range(span["start_position"], span["end_position"])) for span in row["spans"]]
        for kind, places in labels:
            shown = [at in masked for at in places if text[at].isalnum()]
            planted[kind] += 1
            found[kind] += all(shown)
            partly[kind] += any(shown) and not all(shown)
            if not all(shown):
                examples[f"missed {kind}"].append(text)
        for hit in hits:
            over = {OURS.get(kind) for kind, places in labels if hit.start < places.stop and hit.end > places.start}
            made[hit.kind] += 1
            right[hit.kind] += bool(over)
            same[hit.kind] += hit.kind in over
            if not over:
                examples[f"false {hit.kind}"].append(f"{text[hit.start : hit.end]!r} in {text}")
    print("| labelled kind | ours | values | masked | in part | recall |\n|---|---|---|---|---|---|")
    for kind, count in sorted(planted.items(), key=lambda item: (item[0] not in OURS, item[0])):
        name = OURS.get(kind, "not claimed") + (", in part" if kind in OURS and OURS[kind] not in CLAIMED else "")
        print(f"| {kind} | {name} | {count} | {found[kind]} | {partly[kind]} | {found[kind] / count:.3f} |")
    print("\n| our kind | detections | on a labelled value | of that kind | precision |\n|---|---|---|---|---|")
    for kind, count in sorted(made.items()):
        print(f"| {kind} | {count} | {right[kind]} | {same[kind]} | {right[kind] / count:.3f} |")
    print(f"| all | {made.total()} | {right.total()} | {same.total()} | {right.total() / max(made.total(), 1):.3f} |")
    print(f"\n{len(rows)} rows in {seconds:.2f} s on one core.")
    for title, texts in sorted(examples.items()):
        for text in texts[: given.show]:
            print(f"{title}: {' '.join(text.split())[:220]}")


if __name__ == "__main__":
    main()
