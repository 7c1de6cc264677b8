"""National identity, tax and health numbers of several countries, each with its own checksum.

A form so particular that its checksum alone is proof (Italian fiscal code, Brazilian CPF with its dots) counts
anywhere; the others count only within reach of a word that names them. Where that word names nothing else (Aadhaar,
NINO, HETU), the form is enough: a mistyped number, or one made up as an example of a person's, still looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import itin


@dataclass(frozen=True)
class _Form:
    pattern: re.Pattern[str]
    words: tuple[str, ...]
    valid: Callable[[str], bool]


def _named(_number: str) -> bool:
    """The word that names the number is proof enough."""
    return True


def _form(pattern: str, words: str, valid: Callable[[str], bool]) -> _Form:
    """Upper-case words are acronyms and count only in that case; the others count in any case."""
    return _Form(re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])"), tuple(words.split("|")), valid)


_FISCAL = re.compile(r"(?<![\w-])[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)")
_CPF = re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w-])")
_FORMS = (
    _form(r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-Z]", "NINO|ni number|ni no|national insurance|nat ins", _named),
    _form(r"\d{3} ?\d{3} ?\d{4}", "NHS", nhs.is_valid),
    _form(r"\d{8}-?[A-Z]", "DNI|NIF|identidad|national id|identity|id number|spanish id", dni.is_valid),
    _form(r"[XYZ]-?\d{7}-?[A-Z]", "NIE|NIF|identidad|extranjero|national id|identity|id number", nie.is_valid),
    _form(
        r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d",
        "NIR|INSEE|sécurité sociale|securite sociale|social security|numéro de sécu|national id",
        nir.is_valid,
    ),
    _form(r"\d\d ?\d{3} ?\d{3} ?\d{3}", "steuer|IDNR|TIN|tax id|tax number|national id", idnr.is_valid),
    _form(r"\d{4}\.?\d\d\.?\d{3}", "BSN|burgerservice|sofi|national id|citizen service", bsn.is_valid),
    _form(r"\d{11}", "PESEL|national id", pesel.is_valid),
    _form(r"\d{11}", "CPF", cpf.is_valid),
    _form(r"\d{4}[ -]?\d{4}[ -]?\d{4}", "UIDAI|UID|national id|identity number", aadhaar.is_valid),
    _form(r"\d{4}[ -]?\d{4}[ -]?\d{4}", "aadhaar|aadhar", _named),
    _form(r"\d{3}[ -]?\d{3}[ -]?\d{3}", "SIN|social insurance|numéro d'assurance", sin.is_valid),
    _form(
        r"(?:\d\d)?\d{6}[-+]?\d{4}", "personnummer|personal identity|personal number|national id", personnummer.is_valid
    ),
    _form(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", "personal identity|national id", hetu.is_valid),
    _form(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", "HETU|henkilötunnus", _named),
    _form(r"9\d\d-\d\d-\d{4}", "ITIN|taxpayer", itin.is_valid),
)
_REACH, _AROUND = 64, 12
WORDS = tuple(sorted({word for form in _FORMS for word in form.words}))
"""The words that name a number; acronyms in capitals."""
_ANY_WORD = re.compile(
    "|".join(rf"\b{re.escape(word)}\b" if word.isupper() else rf"\b(?i:{re.escape(word)})" for word in WORDS)
)


def find_named_ids(text: str, clusters: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of national numbers near a word that names them, at clusters of digits."""
    for start, end in clusters:
        left = max(0, start - _REACH)
        words = {match.group() for match in _ANY_WORD.finditer(text, left, start)}
        if not words:
            continue
        words |= {word.lower() for word in words}
        for form in _FORMS:
            if words.isdisjoint(form.words):
                continue
            for match in form.pattern.finditer(text, max(0, start - _AROUND), min(len(text), end + _AROUND)):
                if form.valid(match.group()):
                    yield match.span()


def find_cpf(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of Brazilian CPF numbers with their dots in `text[start:end]`."""
    for match in _CPF.finditer(text, start, end):
        if cpf.is_valid(match.group()):
            yield match.span()


def fiscal_code(text: str, start: int) -> tuple[int, int] | None:
    """The span of the Italian fiscal code that begins at `start`, or None."""
    match = _FISCAL.match(text, start)
    return match.span() if match and codicefiscale.is_valid(match.group()) else None
