"""Copies: exact and near-duplicates, how alike is too alike, cross-posts and quotes."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import ABOVE, DONT, LOWER, NUMBER, REMOVE
from corpusmith.core.errors import RequestError

_COPIES = (
    r"(?:(?:all|any|the|near|exact|and|near-)[ -]?)*(?:duplicates?|duplicated rows|dupes|copies)(?: "
    r"(?:rows|documents))?"
)
_NEAR = r"(?:the |any |all )?(?:near[- ]?(?:duplicates?|dupes|copies)|fuzzy (?:duplicates?|matches))"
_EXACT = r"(?:the |any |all )?(?:exact|verbatim|identical) (?:duplicates?|copies|matches|dupes)"
_LEAVE = r"(?:keep|leave|retain|allow)(?: in)?"
_DEDUP = r"de-?(?:dup|duplicat)(?:e|ed|ing|ion|licate|licated)?"
_STRICT = r"(?:aggressive(?:ly)?|strict(?:ly)?|thorough(?:ly)?|hard)"
_SIMILARITY = (
    r"(?:\b(?:with (?:a )?)?(?:jaccard|similarity|threshold)(?: (?:of|threshold|similarity))*"
    r"(?: (?:at|of|is|above|over|at least))? ?"
    rf"(?:[=:>]|>=)? ?(?P<a>{NUMBER}%?)|\b{_DEDUP} at (?P<d>[01]\.\d+)\b"
    rf"|\b(?:at|with|from|of|above|over|{LOWER}) (?:a )?(?P<b>{NUMBER}%?) (?:jaccard )?(?:similarity|jaccard|overlap)"
    rf"|\b(?:that are |which are |being )?(?:{LOWER}|{ABOVE}) (?P<c>{NUMBER}%) (?:similar|alike|identical|the same))"
)


def read_copies(scan: Scan, draft: Draft) -> None:
    """Which copies go, and at what similarity."""
    _similarity(scan, draft)
    _left_alone(scan, draft)
    for match in scan.find(
        rf"\b(?:(?:{REMOVE} |{_DEDUP} )?(?:only |just )?{_EXACT}(?: only)?|exact (?:dedup\w*|de-duplication)"
        r"(?: only)?)\b"
    ):
        only = "only" in match.group() or "just" in match.group() or "exact de" in match.group()
        draft.claim("dedup", "exact" if only else "both", match.start(), scan.take(match))
    for match in scan.find(rf"\b{_STRICT} (?:near-)?{_DEDUP}\b|\b{_DEDUP} {_STRICT}\b"):
        at, words = match.start(), scan.take(match)
        draft.claim("dedup", "both", at, words)
        draft.claim("dedup.jaccard", 0.7, at, words)
    quotes = r"(?:cross-?\s?posts?|crossposted|cross-posted(?: \w+)?|quoted (?:repl(?:y|ies)|text|copies|posts)|quotes)"
    for match in scan.find(rf"\b(?:(?:including|with|and|also) )?(?:{REMOVE} )?{quotes}(?:(?:,| and| or) {quotes})*\b"):
        at, words = match.start(), scan.take(match)
        draft.claim("dedup", "both", at, words)
        draft.claim("dedup.containment", 0.5, at, words)
    for pattern in (
        rf"\b(?:near[- ]|fuzzy )?{_DEDUP}\b(?:[- ](?:it|them))?",
        rf"\b{REMOVE} {_COPIES}\b",
        rf"\b(?:(?:{REMOVE}|{_DEDUP}) )?{_NEAR}\b",
        rf"\b{_COPIES} {REMOVE}\b",
        r"\b(?:duplicate|dupe|copy)[- ](?:free|removal)\b",
        r"\bnear[- ]duplicate(?: removal)?s?\b",
        r"\bunique\b",
        rf"\b(?:no|without|free of) {_COPIES}\b",
    ):
        for match in scan.find(pattern, negated=pattern.startswith(r"\b(?:no|")):
            draft.claim("dedup", "both", match.start(), scan.take(match))
    for match in scan.find(r"\b(?:duplicates?|dupes)\b"):
        if scan.before_in_clause(match.start()).strip():
            draft.claim("dedup", "both", match.start(), scan.take(match))


def _left_alone(scan: Scan, draft: Draft) -> None:
    patterns = (
        (
            (
                rf"\b(?:{_LEAVE} {_NEAR}(?: (?:alone|in))?|{DONT} (?:touch(?:ing)?|{REMOVE}) {_NEAR}"
                r"|no near[- ]dedup\w*)\b"
            ),
            "exact",
        ),
        (
            rf"\b(?:{DONT} {_DEDUP}|no (?:near[- ]|exact )?(?:{_DEDUP}|duplicate removal)|(?:{DONT}) {REMOVE} {_COPIES}"
            rf"|{_LEAVE} {_COPIES}(?: (?:alone|in))?|duplicates (?:are |is )?(?:fine|ok|okay|allowed|welcome))\b"
            r"(?: (?:it|them|anything))?",
            "none",
        ),
    )
    for pattern, mode in patterns:
        for match in scan.find(pattern, negated=True):
            draft.claim("dedup", mode, match.start(), scan.take(match))


def _similarity(scan: Scan, draft: Draft) -> None:
    for match in scan.find(_SIMILARITY):
        text = match.group("a") or match.group("b") or match.group("c") or match.group("d")
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        at, words = match.start(), scan.take(match)
        if not 0 < value <= 1:
            raise RequestError(
                f"'{words}' is impossible: a similarity lies between 0 and 1",
                hint=f"Give a similarity such as 0.8. {EXAMPLE}",
                value=value,
            )
        draft.claim("dedup", "both", at, words)
        draft.claim("dedup.jaccard", round(value, 9), at, words)


def dedup_mode(draft: Draft) -> str:
    """`both`, `exact` or `none`. A bare "deduplicate" beside "only exact copies" is no contradiction."""
    claims = draft.claims.get("dedup", [])
    if any(claim.value == "exact" for claim in claims):
        near = re.compile(r"near|fuzzy|similar|quot|post", re.IGNORECASE)
        draft.claims["dedup"] = [claim for claim in claims if claim.value != "both" or near.search(claim.words)]
    return str(draft.last("dedup", "both"))
