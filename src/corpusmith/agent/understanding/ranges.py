"""Ranges: lengths in characters, words or tokens, and numbers at a field of the row."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import EXAMPLE, Draft, share
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import FIELD, LOWER, NUMBER, PERCENT, REMOVE, ROW_NOUN, UPPER
from corpusmith.core.brief import LengthRange, NumberRange
from corpusmith.core.errors import RequestError

_UNIT = r"(?P<unit>char(?:acter)?s?|words|tokens)\b"
_EACH = r"(?: (?:each|long|in length|(?:per|a) (?:row|document|text|article|example)|in each \w+))"
_SHAPE = r"(?:(?:with |of |having |that have |whose length is |long |and |or )*)"
_PAIR = rf"\b(?:between |from )?(?P<low>{NUMBER})(?: and | to |-| ?- ?){_SHAPE}(?P<high>{NUMBER}) {_UNIT}{_EACH}?"
_COMPARED = (
    rf"\b(?P<what>shorter|longer|fewer|less|more|under|over|below|above)(?: than)? (?P<value>{NUMBER}) {_UNIT}{_EACH}?"
)
_SHARE_OUTSIDE = (
    rf"\b{UPPER} (?P<share>{PERCENT})(?: of (?:the )?{ROW_NOUN})?(?: (?:may|can|should|must|be|are|is|being))*"
    rf" (?P<what>shorter|longer) than (?P<value>{NUMBER}) {_UNIT}{_EACH}?"
)
_LEAST = rf"(?P<low>{LOWER}) (?P<value>{NUMBER}) {_UNIT}{_EACH}?"
_MOST = rf"(?P<high>{UPPER}) (?P<value>{NUMBER}) {_UNIT}(?P<each>{_EACH})?"
_REJECTS = re.compile(
    rf"\b(?:(?!filter(?! out)|filtering(?! out)){REMOVE}|nothing|no|none|without|skip|not|reject|exclude)\b"
)

_MONEY = r"[$€£]? ?"
_NOT_FIELD = (
    rf"(?!(?:{ROW_NOUN}|and|or|with|is|be|between|of|the|a|corpus|dataset|data|text|length|that|are|them|it|cost|budget"
    r"|total|english|somewhere|anything|keep|only|clean)\b)"
)
_PREFIX = rf"(?:(?:where|whose|with|having|keep(?: only)?(?: {ROW_NOUN})? (?:where|whose|with)) (?:the |a |an )?)"
_NUMBER_PAIR = (
    rf"(?:\b{_PREFIX})?\b{_NOT_FIELD}(?P<field>{FIELD}) (?:(?:is|are|must be|should be|lies|in|range"
    r"|values?) )*(?:between|from) "
    rf"{_MONEY}(?P<low>{NUMBER}) (?:and|to|-) {_MONEY}(?P<high>{NUMBER})(?! (?:{ROW_NOUN}|char\w*|words|tokens))"
)
_NUMBERS_KEPT = (
    r"\bkeep(?:ing)?(?: only)?(?: the)? (?P<field>prices|costs|ratings|scores|ages|years) (?:of )?"
    rf"{_MONEY}(?P<low>{NUMBER}) (?:and|to|-) {_MONEY}(?P<high>{NUMBER})"
)
_NUMBER_BOUND = (
    rf"\b{_PREFIX}{_NOT_FIELD}(?P<field>{FIELD}) (?:(?:is|are|must be|should be|of) )*(?:(?P<low>{LOWER})|"
    rf"(?P<high>{UPPER})) ?"
    rf"{_MONEY}(?P<value>{NUMBER})(?![%\w]| (?:{ROW_NOUN}|char\w*|words|tokens|minutes?|hours?))"
)


def read_lengths(scan: Scan, draft: Draft) -> None:
    """Lengths to keep, per unit; `drop documents shorter than` and `nothing longer than` turn the bound round."""
    for match in scan.find(_PAIR):
        at, unit = match.start(), _unit(match.group("unit"))
        low, high = round(float(match.group("low"))), round(float(match.group("high")))
        words = scan.take(match)
        draft.claim(f"length.{unit}.low", low, at, words)
        draft.claim(f"length.{unit}.high", high, at, words)
    for match in scan.find(_SHARE_OUTSIDE, negated=True):
        at, unit, side = (
            match.start(),
            _unit(match.group("unit")),
            "low" if match.group("what") == "shorter" else "high",
        )
        target, value = share(match.group("share")), round(float(match.group("value")))
        words = scan.take(match)
        draft.gate(scan, "short_rate" if side == "low" else "long_rate", "<=", target, at, words)
        draft.claim(f"length.{unit}.{side}", value, at, words)
    for match in scan.find(_COMPARED, negated=True):
        before = scan.before_in_clause(match.start())
        if match.group("what") not in ("shorter", "longer") and not re.search(
            rf"{ROW_NOUN} (?:with|of|having|under|over)?\s?$|\bwith $", before
        ):
            continue
        shorter = match.group("what") in ("shorter", "fewer", "less", "under", "below")
        rejects = bool(_REJECTS.search(before))
        side = "low" if shorter == rejects else "high"
        _bound(scan, draft, match, side)
    for match in scan.find(_LEAST):
        if _unit(match.group("unit")) != "tokens" or _per_row(scan, match):
            _bound(scan, draft, match, "low")
    for match in scan.find(_MOST):
        if _unit(match.group("unit")) != "tokens" or _per_row(scan, match):
            _bound(scan, draft, match, "high")


_FIELD_SAID = {
    "priced": "price", "costing": "cost", "rated": "rating", "scored": "score", "aged": "age",
    "prices": "price", "costs": "cost", "ratings": "rating", "scores": "score", "ages": "age", "years": "year",
}  # fmt: skip
"""A number said of the row by a verb, or of all rows in the plural, stands in the field of the singular noun."""


def _per_row(scan: Scan, match: re.Match[str]) -> bool:
    ends = match.group().endswith(("tokens", "words")) is False
    return ends or bool(re.search(rf"{ROW_NOUN} (?:with|of|having) $", scan.before_in_clause(match.start())))


def _bound(scan: Scan, draft: Draft, match: re.Match[str], side: str) -> None:
    at, unit, value = match.start(), _unit(match.group("unit")), round(float(match.group("value")))
    draft.claim(f"length.{unit}.{side}", value, at, scan.take(match))


def _unit(word: str) -> str:
    return "chars" if word.startswith("char") else word


def lengths(draft: Draft) -> tuple[LengthRange, ...]:
    """The length ranges claimed, one per unit.

    Raises:
        RequestError: The smallest length is above the largest.
    """
    out = []
    for unit in ("chars", "words", "tokens"):
        low, high = draft.last(f"length.{unit}.low"), draft.last(f"length.{unit}.high")
        _check(low, high, draft.words(f"length.{unit}.low"))
        if low is not None or high is not None:
            out.append(LengthRange.model_validate({"unit": unit, "low": low, "high": high}))
    return tuple(out)


def read_numbers(scan: Scan, draft: Draft) -> None:
    """Numbers at a field to keep."""
    for pattern in (_NUMBER_PAIR, _NUMBERS_KEPT, _NUMBER_BOUND):
        for match in scan.find(pattern):
            groups = match.groupdict()
            name, at = scan.field(match), match.start()
            name = _FIELD_SAID.get(name.lower(), name)
            words = scan.take(match)
            if "value" in groups:
                low = float(groups["value"]) if groups["low"] else None
                high = float(groups["value"]) if groups["high"] else None
            else:
                low, high = float(groups["low"]), float(groups["high"])
            _check(low, high, words)
            draft.claim("numbers", NumberRange(field=name, low=low, high=high), at, words)


def _check(low: float | None, high: float | None, words: str) -> None:
    if low is not None and high is not None and low > high:
        raise RequestError(
            f"'{words}' is impossible: {low:g} is more than {high:g}", hint=f"Put the smaller number first. {EXAMPLE}"
        )
