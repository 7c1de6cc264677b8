"""Balance: stratified, under- and oversampled, weighted and slotted draws."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import FIELD, NUMBER, UPPER
from corpusmith.core.brief import Balance

_BY = (
    r"(?:by|on|over|across|per|along|according to) (?:the |its |their )?(?!(?:under|over|down|up)-?sampl)"
    rf"(?P<field>{FIELD})(?: (?:field|column|key))?"
)
_WEIGHT = rf"(?:[\w.'-]+)(?: ?[:=x×]? ?){NUMBER}"
_REST = r"(?:the )?(?:rest|others?|all (?:the )?others?|everything else|all else)"
_WEIGHT_FOR = rf"{NUMBER} for (?:{_REST}\b|[\w.'-]+)"
_WEIGHTS_FOR = (
    rf"\b(?:(?:with|and|at|a) )*weights? (?:of )?{_WEIGHT_FOR}"
    rf"(?:(?:, and |, | and )(?:a )?(?:weight )?(?:of )?{_WEIGHT_FOR})*"
)
_STRATIFIED = rf"\bstratif(?:y|ied|ying)(?: (?:it|them|sample|sampling|the sample|draw|split))?(?: {_BY})?\b"
_EVEN = (
    r"\b(?:balanc(?:ed|e|ing)\b|even(?:ly)? (?:out|distributed|spread)|(?P<bare>under-?sampl\w+"
    r"|over-?sampl\w+|down-?sampl\w+|up-?sampl\w+))"
    r"(?: (?:the|all|minority|majority|rare|it|them|out|dataset|corpus|data|sample))*"
    r"(?: (?P<noun>categor(?:y|ies)|class(?:es)?"
    r"|labels?|topics?|sources?|groups?))?"
    rf"(?: {_BY})?"
)
_HOW = r"(?: ?,? ?(?:by|with|through|via|using) (?P<how>under-?sampling|down-?sampling|over-?sampling|up-?sampling))"
_WEIGHTED = (
    rf"\bweight(?:ed|ing|s)?(?: (?:sample|draw|sampling|it|them|rows|documents))?(?: {_BY})?(?: ?[:(] ?"
    rf"(?P<weights>{_WEIGHT}(?:(?:, and |, | and ){_WEIGHT})*)\)?)?"
)
_SLOT_FIELD = rf"(?P<field>{FIELD})"
_SLOTS = (
    r"\b(?:(?:sampl(?:e|ed|ing)|draw|drawn|fill)(?: (?:it|them|rows))? (?:by|in|from|across|over) )?"
    rf"(?:(?!the |its |their ){_SLOT_FIELD} slots\b|slots? (?:of|by|=|is) (?:the |its |their )?(?P<other>{FIELD})\b)"
    r"(?: rounded(?: half)?(?: up)?)?(?:,? (?:and )?at least (?:1|one)\b(?! per| \w+ per))?"
)
_CAP = (
    rf"\b(?:with |and )?(?:{UPPER} )?(?P<cap>{NUMBER}) (?:rows |documents |items |examples )?(?:per|in each"
    rf"|in every|each) (?:slot|category|class|label|group|{FIELD})\b"
    rf"(?:,? (?:(?:for|in) slots )?(?:at or (?:below|under)|up to|below|under) \$? ?(?P<upto>{NUMBER}))?"
)
_CAP_OF_OTHERS = (
    rf"\b(?:and )?(?:the )?others?(?: slots)?(?: (?:are|get|hold|have|keep|with))*,? {UPPER} (?P<cap>{NUMBER})"
    r"(?: (?:rows|documents|items|examples))?(?: (?:are|each|drawn|without replacement))*"
)
_ABOVE = (
    r"\b(?:and )?keep(?:ing)? (?:everything|all|anything)(?: (?:rows|items|documents))? (?:above|over"
    rf"|beyond|more than) \$? ?(?P<above>{NUMBER})(?: whole)?"
    rf"|\b(?:and )?slots (?:above|over|beyond) \$? ?(?P<over>{NUMBER}) (?:(?:are|stay|be|kept) )*whole"
)
_TRAIN_ONLY = (
    r"(?: (?:in|within|of) (?:the )?train(?:ing)?(?: (?:set|split|data|part))?)?"
    r"(?: (?:only )?after (?:the )?split(?:ting)?\b)?"
)
_NOUNS = {"categories": "category", "category": "category", "class": "class", "classes": "class"}


def read_balance(scan: Scan, draft: Draft) -> None:
    """How rows are drawn or evened out. Caps and thresholds only count where slots or categories are named."""
    for match in scan.find(_SLOTS):
        group = "field" if match.group("field") else "other"
        _claim(scan, draft, match, Balance(method="number_slots", field=scan.field(match, group)))
    for match in scan.find(_WEIGHTS_FOR):
        _weights_for(scan, draft, match)
    _weighted(scan, draft)
    for match in scan.find(_STRATIFIED):
        name = scan.field(match) if match.group("field") else None
        _claim(scan, draft, match, Balance(method="stratified", field=_or_category(draft, name, match.group())))
    for match in scan.find(rf"{_EVEN}{_HOW}?{_TRAIN_ONLY}"):
        how = match.group("bare") or match.group("how") or "undersampling"
        name = scan.field(match) if match.group("field") else None
        if name is None and match.group("noun") and not match.group("noun").startswith(("categor", "group")):
            name = _NOUNS.get(match.group("noun"), match.group("noun").rstrip("s"))
        field = _or_category(draft, name, match.group())
        method = "oversample" if how.startswith(("over", "up")) else "undersample"
        if not (match.group("bare") or match.group("how")):
            draft.notes.append("balance: by undersampling, for no way was named")
        _claim(scan, draft, match, Balance.model_validate({"method": method, "field": field}))
    if draft.has("balance"):
        _limits(scan, draft)


def _weighted(scan: Scan, draft: Draft) -> None:
    """`weighted by source: books 3, toys 1`; the categories keep their spelling."""
    for match in scan.find(_WEIGHTED):
        weights = {}
        if match.group("weights"):
            for found in re.finditer(rf"(?P<name>[\w.'-]+)(?: ?[:=x×]? ?)(?P<weight>{NUMBER})", match.group("weights")):
                at = match.start("weights") + found.start("name")
                weights[scan.original(at, at + len(found.group("name")))] = float(found.group("weight"))
        name = scan.field(match) if match.group("field") else None
        if name or weights:
            _claim(scan, draft, match, Balance(method="weighted", field=name or "category", weights=weights))


def _limits(scan: Scan, draft: Draft) -> None:
    """How many rows of a slot or category, and up to which slot."""
    for match in scan.find(_CAP):
        at, cap, upto = match.start(), float(match.group("cap")), match.group("upto")
        words = scan.take(match)
        draft.claim("balance.cap", cap, at, words)
        if upto:
            draft.claim("balance.keep_above", float(upto), at, words)
    for match in scan.find(_CAP_OF_OTHERS):
        draft.claim("balance.cap", float(match.group("cap")), match.start(), scan.take(match))
    for match in scan.find(_ABOVE):
        value = float(match.group("above") or match.group("over"))
        draft.claim("balance.keep_above", value, match.start(), scan.take(match))


def _weights_for(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    """`weight 1 for Automotive and 5 for the rest`: of the draw that is named, else of a draw by category."""
    weights, rest, at = {}, 1.0, match.start()
    for found in re.finditer(rf"(?P<weight>{NUMBER}) for (?:(?P<rest>{_REST})\b|(?P<name>[\w.'-]+))", match.group()):
        if found.group("rest"):
            rest = float(found.group("weight"))
        else:
            name = scan.original(at + found.start("name"), at + found.end("name"))
            weights[name] = float(found.group("weight"))
    words = scan.take(match)
    draft.claim("balance.weights", weights, at, words)
    draft.claim("balance.rest", rest, at, words)
    if not draft.has("balance"):
        draft.claim("balance", Balance(method="weighted", field="category"), at, words)


def _claim(scan: Scan, draft: Draft, match: re.Match[str], balance: Balance) -> None:
    draft.claim("balance", balance, match.start(), scan.take(match))


def _or_category(draft: Draft, name: str | None, words: str) -> str:
    if name is None:
        draft.notes.append(f"balance: over the field 'category', for '{words.strip()}' names none")
    return name or "category"


def balance_of(draft: Draft) -> Balance | None:
    """The balance claimed last, with its cap and threshold."""
    balance: Balance | None = draft.last("balance")
    if balance is None:
        return None
    cap, above = draft.last("balance.cap"), draft.last("balance.keep_above")
    update = {"cap": None if cap is None else round(cap), "keep_above": above}
    if draft.has("balance.weights"):
        update |= {"weights": draft.last("balance.weights"), "default_weight": draft.last("balance.rest")}
    return balance.model_copy(update=update)
