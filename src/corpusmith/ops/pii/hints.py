"""Which kinds of personal data a text may hold: one pass of a kernel instead of some sixty patterns and searches.

Words that some pattern cannot do without are looked for in any case, all at once, by an automaton (Aho & Corasick
1975); the characters that Python's patterns take for `i`, `k` and `s` when case is ignored count as these. The hints
never decide: a finder that may find something asks its patterns as it would without them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from corpusmith.ops.pii.national import WORDS as NATIONAL_WORDS
from corpusmith.ops.pii.secrets import MARKS as SECRET_MARKS
from corpusmith.ops.pii.secrets import WORDS as SECRET_WORDS

(_SECRET_WORD, _IS_WORD, NAMED, SECRET, ADDRESS_6, HARDWARE, ODD_DIGIT,
 MAIL, SPELLED, URL, MARK, BIRTH, PASSPORT, HEX_WALLET, BECH, BOX) = (1 << bit for bit in range(16))  # fmt: skip
"""The first seven are those of `kernels.hints`, which this module does not load before it is used."""
EVERYTHING = (1 << 16) - 1
_U8 = npt.NDArray[np.uint8]
_I64 = npt.NDArray[np.int64]
_Tables = tuple[_U8, _U8, _U8, npt.NDArray[np.uint16], _I64, _I64]
_FOLDED = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
_WORDS: Mapping[int, tuple[str, ...]] = {
    _SECRET_WORD: SECRET_WORDS,
    _IS_WORD: (" is",),
    NAMED: tuple(max(re.split(r"[^\x00-\x7f]", word), key=len) for word in NATIONAL_WORDS if not word.isupper()),
    MAIL: ("@",),
    SPELLED: ("at]", "at)", "at}"),
    URL: ("://",),
    MARK: SECRET_MARKS,
    BIRTH: ("born", "birth", "dob", "d.ob", "do.b", "d.o.b"),
    PASSPORT: ("passport",),
    HEX_WALLET: ("0x",),
    BECH: ("bc1", "ltc1"),
    BOX: ("po ", "ox "),
}


@dataclass(frozen=True)
class Hints:
    """What was seen of one text.

    Attributes:
        bits: What it may hold.
        numbers: Characters at which `kinds.DIGITS` may match, in order; None = anywhere.
    """

    bits: int
    numbers: list[int] | None


ANYTHING = Hints(EVERYTHING, None)
"""Nothing is known of the text."""


def automaton(words: Mapping[int, Iterable[str]]) -> tuple[dict[str, int], list[list[int]], list[int]]:
    """The automaton that finds `words` (bit: words), which are in lower case or of no case.

    Returns:
        The letters by character (0 is any other), per state the next state by letter, per state the bits found there.
    """
    letters: dict[str, int] = {}
    trie: list[dict[int, int]] = [{}]
    found = [0]
    for bit, of_bit in words.items():
        for word in of_bit:
            state = 0
            for char in word.lower():
                letter = letters.setdefault(char, len(letters) + 1)
                if letter not in trie[state]:
                    trie[state][letter] = len(trie)
                    trie.append({})
                    found.append(0)
                state = trie[state][letter]
            found[state] |= bit
    steps = [[0] * (len(letters) + 1) for _ in trie]
    shorter = [0] * len(trie)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        steps[state] = list(steps[shorter[state]])
        found[state] |= found[shorter[state]]
        for letter, following in trie[state].items():
            shorter[following] = steps[state][letter] if state else 0
            steps[state][letter] = following
            queue.append(following)
    return letters, steps, found


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    """What `kernels.hints.hints` needs beside the text."""
    from corpusmith.ops.kernels.hints import byte_kinds

    letters, steps, found = automaton(_WORDS)
    classes = np.zeros(0x2200, np.uint8)
    for char, letter in letters.items():
        classes[[ord(char), ord(char.upper())]] = letter
    for char, plain in _FOLDED.items():
        classes[ord(char)] = letters[plain]
    digits = np.fromiter((unicodedata.category(chr(code)) == "Nd" for code in range(0x20000)), np.uint8, 0x20000)
    acronyms = [int.from_bytes(word.encode(), "big") for word in NATIONAL_WORDS if word.isupper()]
    return (
        byte_kinds(), digits, classes, np.array(steps, np.uint16), np.array(found, np.int64),
        np.array(acronyms, np.int64),
    )  # fmt: skip


def look(text: str) -> Hints:
    """What `text` may hold."""
    from corpusmith.ops.kernels.hints import hints

    if not text:
        return Hints(0, [])
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    numbers = np.empty(data.size, np.int64)
    count, bits = hints(data, *_tables(), numbers)
    bits &= ~(_SECRET_WORD | _IS_WORD)
    return Hints(bits, None if bits & ODD_DIGIT else numbers[:count].tolist())


def guess(_text: str) -> Hints:
    """Anything: for a text or two, which are not worth loading the kernel for."""
    return ANYTHING
