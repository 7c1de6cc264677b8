"""Languages: names, adjectives, ISO 639-1 codes, shares, negations."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft, bound_op, share
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import ABOVE, AT_MOST, BELOW, LOWER, PERCENT, REMOVE, UPPER

NAMES: dict[str, str] = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "swedish": "sv", "norwegian": "no", "danish": "da", "finnish": "fi", "icelandic": "is",
    "polish": "pl", "czech": "cs", "slovak": "sk", "slovenian": "sl", "slovene": "sl", "croatian": "hr",
    "serbian": "sr", "bosnian": "bs", "bulgarian": "bg", "romanian": "ro", "hungarian": "hu", "greek": "el",
    "turkish": "tr", "russian": "ru", "ukrainian": "uk", "belarusian": "be", "lithuanian": "lt", "latvian": "lv",
    "estonian": "et", "arabic": "ar", "hebrew": "he", "persian": "fa", "farsi": "fa", "urdu": "ur", "hindi": "hi",
    "bengali": "bn", "tamil": "ta", "telugu": "te", "marathi": "mr", "gujarati": "gu", "punjabi": "pa",
    "chinese": "zh", "mandarin": "zh", "japanese": "ja", "korean": "ko", "vietnamese": "vi", "thai": "th",
    "indonesian": "id", "malay": "ms", "tagalog": "tl", "swahili": "sw", "afrikaans": "af", "catalan": "ca",
    "basque": "eu", "galician": "gl", "welsh": "cy", "irish": "ga", "albanian": "sq", "macedonian": "mk",
    "armenian": "hy", "georgian": "ka", "kazakh": "kk", "latin": "la", "esperanto": "eo",
}  # fmt: skip
_CODES = sorted(set(NAMES.values()))
_NAME = rf"(?:{'|'.join(NAMES)})"
_CODE = rf"(?:{'|'.join(_CODES)})"
_SEPARATOR = r"(?:, and |, or |, | and | or |/| & )"
_ONE = rf"(?P<lang>{_NAME})(?!(?<=polish) (?:the|these|this|it|them|up)\b)(?:[- ](?:only|language|speaking))?\b"
_ROWS = r"(?: (?:of )?(?:the |all )?(?:rows|documents|texts|articles|examples|data|records|it))?"
_SHARE = (
    rf"(?:(?P<bound>{UPPER}|{LOWER}) )?(?P<share>{PERCENT}){_ROWS}"
    rf"(?: (?:of|in|are|is|be|must|should|to))* (?P<lang>{_NAME}(?:(?: or | and |/){_NAME})*)\b"
)
_CODED = (
    (
        rf"\b(?:languages?|langs?)(?: (?:is|are|codes?|only))? ?[:=]? ?(?P<codes>\b{_CODE}\b"
        rf"(?:{_SEPARATOR}{_CODE}\b)*)(?!\w)"
    ),
    (
        r"\b(?:only|in|just|keep) (?P<codes>(?:en|de|fr|es|pt|nl|sv|pl|cs|ru|zh|ja|ko)\b"
        rf"(?:{_SEPARATOR}{_CODE}\b)*)(?![\w-])"
    ),
)
_OTHERS = (
    rf"\b(?:{REMOVE} )?(?:(?:everything|anything|all|any|rows|documents|articles|texts|whatever) )*"
    r"(?:(?:that|which) )?(?:(?:is|are) )?(?:not (?:in )?|isn't (?:in )?|aren't (?:in )?|other than "
    rf"|non[- ]|but )(?P<lang>{_NAME})"
    r"(?: (?:rows|documents|articles|texts|ones))?(?: out| away)?\b"
)
_NOT = (
    rf"\b(?:not|no|without|except|excluding|but not|{REMOVE}) (?:(?:in|any|the|all) )*(?P<lang>{_NAME})\b"
    r"(?: (?:rows|documents|articles|texts|ones|posts))?"
)
_ALL = (
    r"\b(?:keep )?(?:(?:all|any|every|whatever|the original) languages?|multi-?lingual"
    r"|regardless of language|language-agnostic)\b"
)


def read_languages(scan: Scan, draft: Draft) -> None:
    """The languages to keep."""
    for match in scan.find(_ALL, negated=True):
        scan.take(match)
    for match in scan.find(_SHARE, negated=True):
        _share(scan, draft, match)
    for match in scan.find(_OTHERS, negated=True):
        drops = re.search(rf"\b(?:{REMOVE}|no)\b", scan.before_in_clause(match.end())) or "non" in match.group()
        if drops:
            draft.claim("languages", NAMES[match.group("lang")], match.start(), scan.take(match))
    for pattern in _CODED:
        for match in scan.find(pattern):
            at, codes = match.start("codes"), re.split(_SEPARATOR, match.group("codes"))
            words = scan.take(match)
            for index, code in enumerate(codes):
                draft.claim("languages", code, at + index, words)
    for match in scan.find(_NOT, negated=True):
        draft.claim("languages.not", NAMES[match.group("lang")], match.start(), scan.take(match, counts=False))
    for match in scan.find(rf"\b{_ONE}"):
        draft.claim("languages", NAMES[match.group("lang")], match.start(), scan.take(match))


def _share(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    bound, lang, at = match.group("bound") or "at least", match.group("lang"), match.start()
    target = share(match.group("share"))
    words = scan.take(match)
    op = bound_op(bound, AT_MOST, BELOW, ABOVE)
    if op in ("<=", "<"):
        draft.leave(at, words, "only a smallest share of the languages kept can be asked for")
        return
    named = tuple(NAMES[name] for name in re.split(" or | and |/", lang))
    for index, code in enumerate(named):
        draft.claim("languages", code, at + index, words)
    draft.claim("languages.share", named, at, words)
    draft.gate(scan, "language_rate", op, target, at, words)


def languages_kept(draft: Draft) -> tuple[str, ...]:
    """The languages to keep, in the order of the sentence; one named with `not` later on is out again.

    `not German` alone is left over: a brief names the languages to keep.
    """
    out = {claim.value: claim.at for claim in draft.claims.get("languages.not", [])}
    claims = sorted(draft.claims.get("languages", []), key=lambda claim: claim.at)
    kept = tuple(dict.fromkeys(claim.value for claim in claims if claim.at > out.get(claim.value, -1)))
    for claim in draft.claims.get("languages.share", []):
        if set(claim.value) != set(kept):
            draft.wishes = [wish for wish in draft.wishes if wish.gate.why != claim.words]
            draft.leave(claim.at, claim.words, "a share of one language among several is not in this version")
    if not kept:
        for claim in draft.claims.get("languages.not", []):
            reason = "name the languages to keep; leaving one out is not in this version"
            draft.leave(claim.at, claim.words, reason)
    return kept
