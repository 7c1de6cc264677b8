"""Copies of a row: exact ones in disguise, near ones by kind and rate of edit, and distant ones that are no copies.

A near copy shares at least 0.83 of its word 5-grams with its origin (Jaccard), a distant one at most 0.70, whether a
word is a run of word characters or what stands between spaces; what falls between is not planted. Copies of web text
are defined this way by Lee et al. (2022, arXiv 2107.06499), whose threshold of 0.8 the two bounds enclose.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from corpusmith.evals.planting.prose import jaccard
from corpusmith.evals.planting.wording import words_of

NEAR, DISTANT = 0.83, 0.70
FEWEST_WORDS = 55  # a distant copy should stay, so it must not be too short for a rule on length
NEAR_EDITS: tuple[tuple[str, float | None], ...] = (
    *((edit, rate) for edit in ("substitute", "delete", "insert", "swap") for rate in (0.01, 0.02, 0.04)),
    ("reorder_paragraphs", None),
    ("header_footer", None),
    ("sentence_added", None),
    ("truncate_tail", 0.05),
    ("truncate_tail", 0.10),
)
DISTANT_EDITS: tuple[tuple[str, float | None], ...] = tuple(
    (edit, rate) for edit in ("substitute", "delete", "insert") for rate in (0.06, 0.12, 0.25)
)
EXACT_EDITS = ("identical", "case", "space", "punctuation")

_WORDS = words_of(
    "garden window letter river morning bridge silver winter market candle engine harbour meadow paper kitchen "
    "signal travel answer copper forest ladder mirror number orange pocket quiet ribbon season ticket velvet wagon "
    "yellow anchor basket corner dinner feather hammer island jacket lantern marble needle orchard pepper"
)
_HEADERS = (
    "From the reading room archive",
    "Reprinted for the spring collection",
    "A page out of the shared notebook",
    "Posted again by popular demand",
)
_FOOTERS = (
    "Found in the second box on the left",
    "End of this page",
    "Filed under reference, shelf nine",
    "Copied by hand in the autumn",
)
_SENTENCES = (
    "This was still true when it was last checked.",
    "Most readers will never need to know this.",
    "The same holds on other systems as well.",
    "It took some time before anybody noticed.",
    "There is a longer account of this elsewhere.",
    "Nothing more has to be done after that.",
)


def exact_copy(text: str, edit: str, rng: random.Random) -> str:
    """A copy that differs in nothing but case, white space or punctuation; it still ends like a sentence."""
    if edit == "case":
        return rng.choice([text.lower(), text.title(), _first_sentence_upper(text)])
    if edit == "space":
        return rng.choice(["\n\n", "\n \n", "\n"]).join(
            re.sub(r" ", lambda _: rng.choice([" ", " ", " ", "  ", "\n"]), piece) for piece in text.split("\n\n")
        )
    if edit == "punctuation":
        return re.sub(r"[,;:] ", lambda _: rng.choice([" ", "; ", " - ", ", "]), text)[:-1] + rng.choice("!.")
    return text


def _first_sentence_upper(text: str) -> str:
    head, dot, tail = text.partition(". ")
    return head.upper() + dot + tail


def near_copy(text: str, edit: str, rate: float | None, rng: random.Random) -> tuple[str, float] | None:
    """A near copy of `text` and its true Jaccard; None when the text is too short for this edit at this rate."""
    for attempt in range(4):
        copy = _EDITS[edit](text, rate or 0.0, rng, attempt > 1)
        if copy != text and min(found := _similarities(text, copy)) >= NEAR:
            return copy, found[0]
    return None


def distant_copy(text: str, edit: str, rate: float | None, rng: random.Random) -> tuple[str, float] | None:
    """A variant of `text` too far from it to be a copy, and its true Jaccard; None when too close or too short."""
    copy = _EDITS[edit](text, rate or 0.0, rng, False)
    found = _similarities(text, copy)
    return (copy, found[0]) if max(found) <= DISTANT and len(copy.split()) >= FEWEST_WORDS else None


def _similarities(left: str, right: str) -> tuple[float, float]:
    spaced = [re.sub(r"[^\w\s]", "", text) for text in (left, right)]
    return jaccard(left, right), jaccard(spaced[0], spaced[1])


def _places(words: list[str], rate: float, rng: random.Random, together: bool) -> list[int]:
    """Positions of words to edit: spread out, or one run; never the first or the last word, nor a line break."""
    free = [place for place in range(2, len(words) - 2) if "\n" not in words[place]]
    wanted = max(1, round(rate * len(words)))
    if together:
        start = rng.randrange(0, max(len(free) - wanted, 1))
        return free[start : start + wanted]
    return sorted(rng.sample(free, min(wanted, len(free))))


def _edit_words(change: Callable[[list[str], int, random.Random], None]) -> Callable[..., str]:
    def run(text: str, rate: float, rng: random.Random, together: bool) -> str:
        words = text.split(" ")
        for place in reversed(_places(words, rate, rng, together)):
            change(words, place, rng)
        return " ".join(words)

    return run


def _substitute(words: list[str], place: int, rng: random.Random) -> None:
    tail = words[place][-1] if words[place][-1:] in {",", ".", ";", ":"} else ""
    words[place] = rng.choice(_WORDS) + tail


def _delete(words: list[str], place: int, _rng: random.Random) -> None:
    del words[place]


def _insert(words: list[str], place: int, rng: random.Random) -> None:
    words.insert(place, rng.choice(_WORDS))


def _swap(words: list[str], place: int, _rng: random.Random) -> None:
    words[place - 1], words[place] = words[place], words[place - 1]


def _reorder(text: str, _rate: float, rng: random.Random, _together: bool) -> str:
    paragraphs = text.split("\n\n")
    rng.shuffle(paragraphs)
    return "\n\n".join(paragraphs)


def _header_footer(text: str, _rate: float, rng: random.Random, together: bool) -> str:
    header = rng.choice(_HEADERS)
    return f"{header}.\n\n{text}" if together else f"{header}.\n\n{text}\n\n{rng.choice(_FOOTERS)}."


def _sentence_added(text: str, _rate: float, rng: random.Random, _together: bool) -> str:
    paragraphs = text.split("\n\n")
    paragraphs[rng.randrange(len(paragraphs))] += " " + rng.choice(_SENTENCES)
    return "\n\n".join(paragraphs)


def _truncate_tail(text: str, rate: float, _rng: random.Random, _together: bool) -> str:
    words = text.split(" ")
    return " ".join(words[: len(words) - max(1, round(rate * len(words)))]).rstrip(" ,;:.\n") + "."


_EDITS: dict[str, Callable[..., str]] = {
    "substitute": _edit_words(_substitute),
    "delete": _edit_words(_delete),
    "insert": _edit_words(_insert),
    "swap": _edit_words(_swap),
    "reorder_paragraphs": _reorder,
    "header_footer": _header_footer,
    "sentence_added": _sentence_added,
    "truncate_tail": _truncate_tail,
}
