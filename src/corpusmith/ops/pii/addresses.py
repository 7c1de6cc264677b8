"""Postal addresses as the United States and the United Kingdom write them: house number, street name, street type.

Street types that are also everyday words ("way", "place") count only with more evidence behind them: a unit, a town
and a postal code, or a word like "lives" in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def _words(text: str) -> list[str]:
    return text.split()


_STRONG = _words(
    "Street St Avenue Ave Av Road Rd Boulevard Blvd Lane Ln Terrace Ter Parkway Pkwy Crescent Cres Turnpike "
    "Tpke Expressway Expy Causeway Cswy Strasse Motorway Freeway Fwy Highway Hwy"
)
_WEAK = _words(
    "Drive Dr Court Ct Place Pl Square Sq Way Circle Cir Close Row Mews Gardens Garden Grove Hill Park Green "
    "Walk View Alley Trail Trl Loop Plaza Point Ridge Run Pike Path Bend Cove Crossing Crossroad Creek Canyon "
    "Cape Center Cliff Club Common Corner Corners Course Courts Dale Dam Divide Estate Estates Extension "
    "Extensions Fall Falls Ferry Field Fields Flat Flats Ford Fords Forest Forge Forges Fork Forks Fort "
    "Gateway Glen Glens Greens Groves Harbor Harbors Haven Heights Hills Hollow Inlet Island Islands Isle "
    "Junction Junctions Key Keys Knoll Knolls Lake Lakes Land Landing Light Lights Loaf Lock Locks Lodge Mall "
    "Manor Manors Meadow Meadows Mill Mills Mission Mount Mountain Mountains Neck Orchard Oval Overpass Parks "
    "Parkways Pass Passage Pine Pines Plain Plains Plazas Points Port Ports Prairie Radial Ramp Ranch Rapid "
    "Rapids Rest Ridges River Roads Route Shoal Shoals Shore Shores Skyway Spring Springs Spur Spurs Squares "
    "Station Stravenue Stream Streets Summit Throughway Trace Track Trafficway Tunnel Underpass Union Unions "
    "Valley Valleys Via Viaduct Views Village Villages Ville Vista Walks Wall Ways Well Wells Alleyway Arcade "
    "Avenues Bayou Beach Bluff Bluffs Bottom Branch Bridge Brook Brooks Burg Burgs Bypass Camp Centers "
    "Circles Cliffs Coves Curve Drives Lanes Freeway End Gate Quay Yard Wharf Rise Vale Lea Broadway"
)
_LONGEST = 110
_KNOWN_STRONG = frozenset(_STRONG)
_TYPES = "|".join(sorted({*_STRONG, *_WEAK}, key=len, reverse=True))
_WORD = r"[A-Z0-9][\w'’.-]{0,24}"
_STREET = re.compile(
    rf"\d(?<![\w.,/$€£#-].)\d{{0,4}}[A-Za-z]?(?:[-/]\d{{1,5}})?,? (?={_WORD} [A-Z0-9])"
    rf"(?:{_WORD} ){{0,4}}{_WORD} ({_TYPES})\b\.?(?: (?:NW|NE|SW|SE|N|S|E|W)\b\.?)?"
)
_FLAT = re.compile(r"\b(?:Flat|Studio|Unit|Apt\.?|Suite) \w{1,6},?[ \n]$")
_UNIT = re.compile(r",?[ \n]{1,2}(?:Apt\.?|Apartment|Suite|Ste\.?|Unit|Floor|Room|Rm\.?|Flat|#) ?#?\w{1,6}\b", re.I)
_TOWN = re.compile(
    r",?[ \n]{1,3}(?:[A-Z][\w'’.-]+[ \n]){0,3}[A-Z][\w'’.-]+(?:, ?|[ \n])"
    r"(?:[A-Z]{2},? \d{5}(?:-\d{4})?|(?:[A-Z][a-z]+ ){1,2}\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b"
)
_TOWN_ONLY = re.compile(r",[ \n]{1,2}(?:[A-Z][\w'’.-]+ ){0,2}[A-Z][\w'’.-]+, [A-Z]{2}\b(?! \d)")
_POSTCODE = re.compile(r",?[ \n]{1,2}(?:[A-Z]{2} )?(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b")
_LOCALITY = r"(?:[,.]?[ \n]{1,2}|,)(?:[A-Z0-9#][\w'’.-]*)"
_CODE = re.compile(r"\b(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b(?!-?\d)")
_BEFORE_CODE = re.compile(
    rf"(?<![\w.])(?:(?:Flat|Studio|Unit|Apt\.?|Suite) ?\d\w{{0,5}}|\d{{1,6}}[A-Za-z]?)(?:{_LOCALITY}){{2,9}}"
    r"(?:, ?|[ \n]{1,2})$"
)
_SHIP = re.compile(r"\bUS(?:S|NS|NV|CGC) [A-Z]\w+,?[ \n]{1,2}[AFD]PO,? (?:AA|AE|AP) \d{5}\b")
_BOX = re.compile(r"\b(?:P\.? ?O\.? ?Box \d{1,6}|(?:PSC|Unit|USNV|USS \w+,?) \d{1,5},? (?:Box \d{1,5}))\b", re.I)
_MILITARY = re.compile(r"\s{1,3}(?:[AFD]PO),? (?:AA|AE|AP) \d{5}\b")
_BEFORE = re.compile(
    r"\b(?:address(?:es)?|live[sd]?|living|resid\w+|located|ship\w*|deliver\w*|mail(?:ed)?|send|sent|moved?|visit\w*|"
    r"house|home|office|headquarter\w*|at|stay\w*|meet|taxi|return|arrived?|lot|property)\b[^.!?]{0,30}$",
    re.I,
)
_YEAR_BEFORE = re.compile(
    r"\b(?:in|of|since|by|during|until|from|after|before|early|late|mid|to|and|january|february|march|april|may|june|"
    r"july|august|september|october|november|december|\d{1,2},)\s$",
    re.I,
)


def find_streets(text: str, houses: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Spans of addresses that begin with a house number and a street; `houses` is where a number may stand."""
    for house in houses:
        match = _STREET.match(text, house)
        if match is None:
            continue
        end = _tail(text, match.end())
        if _plausible(text, match, end):
            flat = _FLAT.search(text, max(0, match.start() - 16), match.start())
            yield flat.start() if flat else match.start(), end


def find_coded(text: str, codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Spans of addresses that end with a postal code; `codes` is where one may stand."""
    for place in codes:
        code = _CODE.search(text, max(0, place - 5), min(len(text), place + 12))
        if code:
            left = max(0, code.start() - _LONGEST)
            before = _BEFORE_CODE.search(text, left, code.start())
            if before and "\n\n" not in before.group():
                yield before.start(), code.end()


def find_boxes(text: str) -> Iterator[tuple[int, int]]:
    """Spans of post office boxes and addresses of ships and bases."""
    if "PO " in text:
        yield from (match.span() for match in _SHIP.finditer(text))
    if "ox " in text or "OX " in text:
        for box in _BOX.finditer(text):
            military = _MILITARY.match(text, box.end())
            if military:
                yield box.start(), military.end()
            elif box.group()[:2].upper() in ("PO", "P.", "P "):
                yield box.start(), _tail(text, box.end())


def _tail(text: str, end: int) -> int:
    """Take in the unit, town and postal code that follow a street."""
    for pattern in (_UNIT, _TOWN, _TOWN_ONLY, _POSTCODE):
        match = pattern.match(text, end)
        if match:
            end = match.end()
            if pattern is not _UNIT:
                break
    return end


def _plausible(text: str, match: re.Match[str], end: int) -> bool:
    start = match.start()
    before = text[max(0, start - 60) : start]
    number = re.match(r"\d+", match.group())
    if number and re.fullmatch(r"(?:1[89]|20)\d\d", number.group()) and _YEAR_BEFORE.search(before):
        return False
    if end > match.end() or match.group(1) in _KNOWN_STRONG:
        return True
    return bool(_BEFORE.search(before)) and not re.match(r" \w", text[match.end() : match.end() + 2])
