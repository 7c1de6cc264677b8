"""Which of the Latin code pages a text was written in: the one in which its accents are those of one language.

A statistical guess between Latin pages rests on a handful of accents and is easily wrong (Swedish in cp1252 reads as
Slovak in cp1250). Languages differ in *which* accents they have, so a page is judged by how many of the accented
letters it yields belong to the best fitting of its languages. Letters of no such language, and signs in the middle of a
word, speak against it. Where one text mixes languages, the accents of all languages of a page are taken together.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_WESTERN = {
    "french": "àâæçéèêëîïôœùûüÿ", "german": "äöüß", "spanish": "áéíñóúüºª", "portuguese": "àáâãçéêíóôõúºª",
    "italian": "àèéìíòóùúºª", "catalan": "àçèéíïòóúü", "swedish": "åäéö", "danish": "æøåé", "dutch": "áèéêëïóöü",
    "icelandic": "áæðéíóöúýþ",
}  # fmt: skip
_CENTRAL = {
    "czech": "áčďéěíňóřšťúůýž", "slovak": "áäčďéíĺľňóôŕšťúýž", "polish": "ąćęłńóśźż", "hungarian": "áéíóöőúüű",
    "croatian": "čćđšž", "romanian": "ăâîşţ",
}  # fmt: skip
_TURKISH = {"turkish": "âçğıîöşüûi̇"}
_BALTIC = {"lithuanian": "ąčęėįšųūž", "latvian": "āčēģīķļņšūž", "estonian": "äõöüšž"}
_PAGES = {
    "cp1252": _WESTERN, "iso8859_15": _WESTERN, "mac_roman": _WESTERN, "cp850": _WESTERN,
    "cp1250": _CENTRAL, "iso8859_2": _CENTRAL, "cp1254": _TURKISH, "cp1257": _BALTIC,
}  # fmt: skip
"""The pages with their languages; of two that fit alike the first is taken."""

_MIXING = ("cp1252", "cp1250")
"""Pages whose languages are taken together; the accents of all languages of the others would fit anything."""
FITS = 0.9
"""Least share of the accented letters that must belong to the languages of such a page, so that it is believed."""
MOST_ADJACENT = 0.5
"""Most accented letters that may follow another one; in Cyrillic or Greek read in a Latin page nearly all do."""
_ALONE = 0.98
"""Least share that must belong to one language; a text under it may mix several."""
_ACCENTED = re.compile(r"[^\W\d_a-zA-Z]")
_ADJACENT = re.compile(r"[^\W\d_a-zA-Z](?=[^\W\d_a-zA-Z])")
_IN_WORD = re.compile(r"(?<=[^\W\d_])[^\w\s'’`´.,:;!?/|()&–—-](?=[^\W\d_])")
_ON_WORD = re.compile(r"[¹²³¼½¾ºª¿¡](?=[^\W\d_])(?<=[^\W\d_].)|[\x80-\x9f]|(?<=[^\W\d_])[¹³¼½¾¿¡](?=\W|$)")


@dataclass(frozen=True)
class _Reading:
    """What a page makes of the bytes.

    Attributes:
        accented: How often each accented letter stands there, in lower case.
        odd: Signs in the middle of a word, and bytes that are nothing.
        adjacent: How many of them follow another one.
    """

    accented: Counter[str]
    odd: int
    adjacent: int

    def fit(self, letters: str) -> float:
        """Share of what is not ASCII in words that is one of `letters`."""
        if self.adjacent > MOST_ADJACENT * self.accented.total():
            return 0.0
        total = self.accented.total() + self.odd
        return sum(self.accented[letter] for letter in letters) / total if total else 1.0


def latin_page(data: bytes) -> str:
    """The Latin code page in which `data` makes words of a language, "" when there is none.

    Args:
        data: Lines that are not valid UTF-8.
    """
    readings = {page: _read(data.decode(page, "replace")) for page in _PAGES}
    alone = {page: max(map(read.fit, _PAGES[page].values())) for page, read in readings.items()}
    best = max(alone, key=alone.__getitem__)
    if alone[best] >= _ALONE:
        return best
    mixed = {page: readings[page].fit("".join(set().union(*_PAGES[page].values()))) for page in _MIXING}
    best = max(mixed, key=mixed.__getitem__)
    return best if mixed[best] >= FITS else ""


def _read(text: str) -> _Reading:
    accented = Counter(_ACCENTED.findall(text.lower()))
    odd = len(_IN_WORD.findall(text)) + len(_ON_WORD.findall(text)) + text.count("\ufffd")
    return _Reading(accented, odd, len(_ADJACENT.findall(text)))
