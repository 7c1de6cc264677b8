"""Which text may serve as an undamaged base row, judged by simple checks of its own.

The checks share no code with the operators they help to judge, and are stricter than the published filters (Gopher's
word counts, stop words and repetition), so that a base row which a run drops is a true false alarm: long enough,
English, ending in a full stop, without markup, code, personal data or broken characters, and unlike every other row.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpusmith.evals.planting.wording import words_of

MIN_WORDS, MAX_WORDS = 60, 320
_STEPS = (60, 62, 66, 60, 62, 80, 60, 62, 66, 70)

_STOPWORDS = frozenset(
    words_of(
        "the of and to a in is that it for as with on by be are this from or an at which not if can will may "
        "have has was when you all one its other than more only no but also any there been into they their "
        "use used must do does then so such these each between same where how first"
    )
)
_GOPHER_STOPWORDS = frozenset(words_of("the be to of and that have with"))
_UNWANTED = re.compile(
    r"[{}<>@\x00-\x09\x0b-\x1f\x7f-\uffff]|&\w+;|://|www\.|>>>|\.\.\.|----|\*\*|\d{6}|\d+\.\d+\.\d+\.\d"
    r"|(?i:lorem ipsum|javascript|cookie|password|e-?mail|instructions?\b|terms of use|privacy polic"
    r"|copyright|licen[cs]e)"
)
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"[^\W_]+|_|[^\w\s]")


@dataclass(frozen=True)
class BaseRow:
    """One undamaged text: paragraphs on one line each, a blank line between them."""

    title: str
    text: str


def shingles(text: str, width: int = 5) -> frozenset[tuple[str, ...]]:
    """The set of case-folded word `width`-grams of `text` (one shorter gram for a text with fewer words)."""
    words = _WORD.findall(text.casefold())
    return frozenset(zip(*(words[i:] for i in range(width)), strict=False)) or frozenset([tuple(words)])


def jaccard(left: str, right: str, width: int = 5) -> float:
    """True Jaccard similarity, 0-1, of the two texts' word `width`-gram sets."""
    a, b = shingles(left, width), shingles(right, width)
    return len(a & b) / len(a | b)


def is_prose(paragraph: str) -> bool:
    """Whether one paragraph (on one line) reads as an English sentence or more, not as code, a table or a list."""
    words = paragraph.split()
    if len(words) < 5 or paragraph[-1] not in ".!?" or not paragraph[0].isalpha() or _UNWANTED.search(paragraph):
        return False
    return _letters_share(paragraph) >= 0.76 and _stopword_share(words) >= 0.2


def is_clean(text: str) -> bool:
    """Whether a whole row passes: length, word shape, English stop words, and no repetition worth a filter's notice."""
    words = text.split()
    mean = sum(map(len, words)) / max(len(words), 1)
    lowered = [word.strip(".,;:!?()'\"`").lower() for word in words]
    return (
        MIN_WORDS <= len(words) <= MAX_WORDS
        and 3.5 <= mean <= 7.5
        and len(_GOPHER_STOPWORDS.intersection(lowered)) >= 3
        and _stopword_share(words) >= 0.28
        and max(_top_share(lowered, 2) / 0.15, _top_share(lowered, 3) / 0.12, _top_share(lowered, 4) / 0.10) <= 1
        and _repeated_share(lowered, 5) <= 0.06
        and _letters_share(text) >= 0.815
    )


def _letters_share(text: str) -> float:
    """Share of tokens (words and single punctuation marks) that hold a letter, as strict counts of Gopher's rule do."""
    tokens = _TOKEN.findall(text)
    return sum(any(map(str.isalpha, token)) for token in tokens) / max(len(tokens), 1)


def _stopword_share(words: Sequence[str]) -> float:
    return sum(word.strip(".,;:()'\"").lower() in _STOPWORDS for word in words) / max(len(words), 1)


def _top_share(words: Sequence[str], width: int) -> float:
    grams = Counter(zip(*(words[i:] for i in range(width)), strict=False))
    if not grams:
        return 0.0
    gram, count = grams.most_common(1)[0]
    return sum(map(len, gram)) * count / max(sum(map(len, words)), 1) if count > 1 else 0.0


def _repeated_share(words: Sequence[str], width: int) -> float:
    grams = Counter(zip(*(words[i:] for i in range(width)), strict=False))
    return sum(count for count in grams.values() if count > 1) / max(grams.total(), 1)


def pack(title: str, paragraphs: Iterable[str], turn: int = 0) -> Iterator[BaseRow]:
    """Group consecutive prose paragraphs of one document into rows of varied length; drop what is not prose.

    Args:
        title: Name of the document.
        paragraphs: Its paragraphs in order; line breaks inside one are taken as spaces.
        turn: Where in the cycle of row lengths to start, so that short documents differ too.
    """
    held: list[str] = []
    size = 0
    for raw in paragraphs:
        paragraph = " ".join(raw.split())
        if not paragraph or not is_prose(paragraph) or paragraph in held:
            continue
        if not held and not paragraph[0].isupper():
            continue
        held.append(paragraph)
        size += len(paragraph.split())
        if size >= _STEPS[turn % len(_STEPS)]:
            if is_clean(text := "\n\n".join(held)):
                yield BaseRow(title, text)
            held, size, turn = [], 0, turn + 1
    if held and is_clean(text := "\n\n".join(held)):
        yield BaseRow(title, text)


def without_near_duplicates(rows: Iterable[BaseRow], limit: float = 0.5) -> list[BaseRow]:
    """The rows, in order, that have a Jaccard similarity under `limit` to every row kept before; exact, by index."""
    kept: list[BaseRow] = []
    sizes: list[int] = []
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in rows:
        grams = shingles(row.text)
        shared = Counter(number for gram in grams for number in index.get(gram, ()))
        if any(hits >= limit * (len(grams) + sizes[number] - hits) for number, hits in shared.items()):
            continue
        for gram in grams:
            index[gram].append(len(kept))
        kept.append(row)
        sizes.append(len(grams))
    return kept
