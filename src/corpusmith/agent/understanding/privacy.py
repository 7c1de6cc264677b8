"""Personal data: whether it goes, and which kinds."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.targets import MUST_NOT, PERSONAL
from corpusmith.agent.understanding.words import DONT, MASK, REMOVE
from corpusmith.core.brief import Brief
from corpusmith.ops.pii import KINDS

KIND_WORDS: dict[str, str] = {
    "SECRET_KEY": r"(?:secrets?|(?:api|access|secret|private)[ -]?(?:keys?|tokens?)|passwords?|credentials)",
    "URL_WITH_CREDENTIALS": r"(?:url credentials|credentials in urls)",
    "EMAIL": r"(?:e-?mail(?: address(?:es)?)?|e-?mails|mail addresses)",
    "IBAN": r"(?:ibans?|bank account(?: number)?s?)",
    "CREDIT_CARD": r"(?:(?:credit|payment|debit)[ -]?card(?: number)?s?|card numbers)",
    "US_SSN": r"(?:ssns?|social security(?: number)?s?)",
    "CRYPTO_ADDRESS": r"(?:(?:crypto|bitcoin|ethereum|wallet) addresses|wallets)",
    "MAC_ADDRESS": r"(?:mac addresses|hardware addresses)",
    "IP_ADDRESS": r"(?:ips?(?: address(?:es)?)?|ip-addresses)",
    "DATE_OF_BIRTH": r"(?:dates? of birth|birth ?dates?|birthdays?)",
    "PASSPORT": r"(?:passports?(?: numbers?)?)",
    "NATIONAL_ID": r"(?:(?:national|tax|identity|government)[ -]?(?:ids?|numbers?|identifiers))",
    "PHONE": r"(?:(?:tele)?phone(?: ?numbers?)?|phones|telephone numbers)",
    "STREET_ADDRESS": r"(?:(?:street|postal|home|mailing) addresses)",
}
"""Kind of personal data (as in `ops.pii.kinds`) -> the words people use for it."""

_NAMES = r"(?:(?:people'?s?|persons?'?|real|first|last|full|user|personal|customer) )*names"
_KIND = "|".join(KIND_WORDS.values())
_ITEM = rf"(?:(?:all|any|the|and) )?(?:{_KIND}|{_NAMES})\b"
_LIST = rf"(?P<kinds>{_ITEM}(?:(?:, and |, or |, | and | or ){_ITEM})*)"
_GO = rf"(?:{REMOVE}|{MASK}|get rid of|take out)"
_STAY = r"(?:keep|leave|retain|preserve)"


def read_privacy(scan: Scan, draft: Draft) -> None:
    """Personal data as a whole, then single kinds, each with its negations first."""
    whole = rf"(?:all |any |the )*{PERSONAL}"
    for pattern in (
        rf"\b{DONT} (?:{_GO}|touch(?:ing)?) {whole}\b",
        rf"\b{_STAY} {whole}(?: (?:in|alone|as is))?\b",
        rf"\b(?:{DONT} anonymi[sz](?:e|ing)|no (?:anonymi[sz]ation|pii (?:removal|masking)|masking))(?: \w+)?\b",
    ):
        for match in scan.find(pattern, negated=not pattern.startswith(rf"\b{_STAY}")):
            draft.claim("remove_pii", False, match.start(), scan.take(match))
    _kinds(scan, draft)
    for pattern in (
        rf"\b{_GO} {whole}\b",
        (
            rf"\b(?:free of|clear of) {whole}\b|\b(?:pii|personal-data)[- ]free\b|\b{PERSONAL} (?:must |should )?"
            rf"(?:be )?{_GO}\b"
        ),
        r"\b(?:gdpr|dsgvo|ccpa|hipaa|privacy)(?:[- ](?:compliant|compliance|conform(?:ant)?|safe|friendly|ready))?\b",
        rf"\b(?:(?:anonymi[sz]|de-?identif|pseudonymi[sz])(?:e|ed|y|ied|ation|ing))\b(?: (?:it|them|{whole}))?",
    ):
        for match in scan.find(pattern):
            draft.claim("remove_pii", True, match.start(), scan.take(match))
    for match in scan.find(rf"\b{PERSONAL}\b"):
        if re.search(rf"\b{_GO}\b", scan.before_in_clause(match.start())):
            draft.claim("remove_pii", True, match.start(), scan.take(match))


def _kinds(scan: Scan, draft: Draft) -> None:
    for pattern, own in (
        (rf"\b{DONT} (?:{_GO}|touch(?:ing)?) {_LIST}", True),
        (rf"\b{_STAY} {_LIST}(?: (?:in|alone|as is)\b)?", False),
    ):
        for match in scan.find(pattern, negated=own):
            kinds, words = _kinds_in(match.group("kinds")), scan.original(*match.span())
            if kinds:
                draft.claim("pii_kept", kinds, match.start(), words)
                scan.take(match)
    for match in scan.find(rf"(?<=[a-z\x00]) (?:except(?: for)?|but not|other than|apart from) {_LIST}", negated=True):
        if kinds := _kinds_in(match.group("kinds")):
            draft.claim("pii_kept", kinds, match.start(), scan.take(match))
    for match in scan.find(rf"\b(?:{_GO}|no|without(?: any)?|{MUST_NOT}) {_LIST}(?: in\b)?", negated=True):
        at, start = match.start(), match.start("kinds")
        names = [found.span() for found in re.finditer(rf"\b{_NAMES}\b", match.group("kinds"))]
        for first, last in names:
            reason = "names of persons are not found reliably without a model"
            draft.leave(start + first, scan.original(start + first, start + last), reason)
        kinds = _kinds_in(match.group("kinds"))
        words = scan.take(match, counts=bool(kinds))
        for kind in kinds:
            draft.claim("pii_kinds", kind, at, words)
        if kinds:
            draft.claim("remove_pii", True, at, words)


def _kinds_in(words: str) -> tuple[str, ...]:
    items = re.split(r", and |, or |, | and | or ", words)
    items = [re.sub(r"^(?:all|any|the|and) ", "", item) for item in items]
    return tuple(kind for kind, pattern in KIND_WORDS.items() if any(re.fullmatch(pattern, item) for item in items))


def kinds_to_mask(draft: Draft) -> tuple[str, ...]:
    """The kinds that go, sorted; empty = all."""
    kept = {kind for claim in draft.claims.get("pii_kept", []) for kind in claim.value}
    named = set(draft.union("pii_kinds"))
    return tuple(sorted((named or (set(KIND_WORDS) if kept else set())) - kept))


def masking_assumptions(brief: Brief) -> list[str]:
    """What is masked that nobody named, and which of the kinds that are masked are found only in part."""
    if not brief.remove_pii:
        return []
    kinds = [info for name, info in KINDS.items() if not brief.pii_kinds or name in brief.pii_kinds]
    partial = "; ".join(info.in_part for info in kinds if info.in_part)
    if brief.pii_kinds:
        return [f"personal data: {partial}"] if partial else []
    return [f"personal data: every known kind is masked with a placeholder; {partial}; names of persons stay"]
