"""Quality and the form of the text: strictness of the rules, lower case, stop words, conversions that touch nothing."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import DONT, REMOVE

_STOP_WORDS = r"stop ?-?words?"
_LEVELS: tuple[tuple[str, str], ...] = (
    (
        "none",
        rf"\b(?:(?:no|without(?: any)?|{DONT}(?: do| apply| use)?(?: any)?) (?:quality[- ](?:filter(?:s|ing)?"
        r"|checks?|rules?)|filtering"
        rf"|filters?|cleaning)|{DONT} (?:clean|filter)(?: (?:it|them|anything|for quality))?)\b",
    ),
    (
        "strict",
        r"\b(?:(?:very |really )?(?:high(?:est)?|top|best|premium|excellent)[- ]quality|strict(?:ly)? "
        r"(?:quality(?: (?:filter(?:s|ing|ed)?|rules))?"
        r"|filter(?:s|ing|ed)|clean(?:ing|ed)?)|of (?:the )?(?:high(?:est)?|best) quality|only the best)\b",
    ),
    (
        "standard",
        r"\b(?:(?:good|decent|normal|standard|usual)[- ]quality|quality[- ]filter(?:ed|ing|s)?|filter for quality)\b",
    ),
)
_REPAIR = (
    r"\b(?:repair|fix)(?:ed|ing)? (?:(?:the|their|its|all|any|broken|damaged|wrong|bad|garbled|text) )*"
    r"(?:texts?|encodings?|mojibake|unicode|characters|accents)\b(?! (?:column|field))"
)
"""Repairs that every standard of quality but `none` includes."""


def read_quality(scan: Scan, draft: Draft) -> None:
    """How strict the quality rules are."""
    for match in scan.find(
        r"\b(?:just|only|simply|merely) (?:convert|export|reformat)(?:ing)?\b|\b(?:unchanged|as[- ]is|without "
        r"(?:any )?changes?"
        r"|without changing (?:anything|it|them)|untouched)\b",
        negated=True,
    ):
        at, words = match.start(), scan.take(match)
        draft.claim("quality", "none", at, words)
        draft.claim("dedup", "none", at, words)
    for level, pattern in _LEVELS:
        for match in scan.find(pattern, negated=level == "none"):
            draft.claim("quality", level, match.start(), scan.take(match))
    for match in scan.find(_REPAIR):
        draft.claim("quality", "standard", match.start(), scan.take(match))
    for match in scan.find(r"\b(?:clean(?:ed|ing|ly|er)?(?: up)?|tid(?:y|ied)(?: up)?|curat(?:e|ed|ing)|sanitized?)\b"):
        scan.take(match)


def read_text_form(scan: Scan, draft: Draft) -> None:
    """Lower case and stop words; both stay as they are unless asked for."""
    lower = r"lower ?-?cas(?:e|ed|ing)"
    for match in scan.find(
        rf"\b(?:(?:no|{DONT}(?: do any)?) {lower}|(?:keep|preserve) (?:the )?(?:original )?(?:case|casing"
        r"|capitali[sz]ation))"
        r"\b(?: (?:it|them|anything|the text))?",
        negated=True,
    ):
        draft.claim("lowercase", False, match.start(), scan.take(match))
    for match in scan.find(rf"\b(?:all |make it |in )?{lower}\b(?: (?:everything|it|them|the text|all text|text))?"):
        draft.claim("lowercase", True, match.start(), scan.take(match))
    for match in scan.find(
        (
            rf"\b(?:(?:keep|leave|preserve) (?:the |all )?{_STOP_WORDS}(?: in)?|{DONT} {REMOVE} "
            rf"(?:the )?{_STOP_WORDS}|no {_STOP_WORDS} removal)\b"
        ),
        negated=True,
    ):
        draft.claim("remove_stopwords", False, match.start(), scan.take(match))
    for match in scan.find(
        rf"\b(?:(?:{REMOVE}|no|without) (?:the |all |any )?{_STOP_WORDS}|{_STOP_WORDS} (?:removed|removal|out))\b",
        negated=True,
    ):
        draft.claim("remove_stopwords", True, match.start(), scan.take(match))
