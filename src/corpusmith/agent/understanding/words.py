"""Words shared by the rules: bounds, negations, nouns, number words, spelling.

Everything here is written for the normal form of a sentence (`scan`): lower case, numbers as plain digits (`2k` and
`two thousand` are `2000`), percentages as `1%`, paths as one token `‹0›`.
"""

from __future__ import annotations

import re

AT_MOST = (
    r"(?:at (?:the )?most|no more than|not more than|no greater than|not over|(?:a )?max(?:imum)?(?: of)?|up to"
    r"|(?:cap(?:ped)?|limit(?:ed)?)(?: it| them| this)? (?:at|to)|a (?:cap|limit) of|<=|≤)"
)
BELOW = r"(?:less than|fewer than|under|below|<)"
AT_LEAST = r"(?:at least|no less than|no fewer than|not less than|not fewer than|(?:a )?min(?:imum)?(?: of)?|>=|≥)"
ABOVE = r"(?:more than|greater than|over|above|>)"
UPPER = rf"(?:{AT_MOST}|{BELOW})"
LOWER = rf"(?:{AT_LEAST}|{ABOVE})"
BOUND = rf"(?:{AT_MOST}|{AT_LEAST}|{BELOW}|{ABOVE})"

NUMBER = r"\d+(?:\.\d+)?"
PERCENT = rf"-?{NUMBER}%"
PATH = r"‹\d+›"
FIELD = rf"[`'\"]?(?:{PATH}|[a-z_]\w*(?:\.\w+)*)[`'\"]?"

NEGATION = (
    r"(?:no|not|without|don't|do not|doesn't|does not|never|nor|neither|avoid|skip|except(?: for)?|excluding"
    r"|instead of|rather than)"
)
DONT = r"(?:don't|do not|never|please don't|without|no need to|avoid|skip|not)"
REMOVE = (
    r"(?:remov(?:e|ed|ing)|drop(?:ped|ping)?|delet(?:e|ed|ing)|strip(?:ped|ping)?(?: out)?|discard(?:ed|ing)?"
    r"|filter(?:ed|ing)?(?: out)?|throw(?:ing)? (?:away|out)|get(?:ting)? rid of|exclud(?:e|ed|ing)|eliminat(?:e|ing)"
    r"|clean(?:ing)? out)"
)
MASK = r"(?:mask(?:ed|ing)?|redact(?:ed|ing)?|scrub(?:bed|bing)?|hid(?:e|ing)|replac(?:e|ing)|anonymi[sz](?:e|ed|ing))"
ROW_NOUN = (
    r"(?:rows?|documents?|docs?|examples?|samples?|records?|articles?|posts?|pages?|texts?|items?|entries|pairs?"
    r"|conversations?|dialogues?|instructions?)"
)

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_TEENS = "seventeen eighteen nineteen"
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {word: value for value, word in enumerate([*_SMALL.split(), *_TEENS.split()])}
_TENS = {word: value * 10 for value, word in enumerate(_ROUND.split(), 2)}
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "dozen": 12,
    "k": 1000,
    "m": 10**6,
    "mn": 10**6,
    "b": 10**9,
    "bn": 10**9,
}
_SPELLED = "|".join([*_UNITS, *_TENS])
_BIG = "hundred|thousand|million|billion|dozen"

SPELLED_NUMBER = re.compile(
    rf"(?<![\w-])(?:(?:an?)\s+(?:{_BIG})|(?!zero\b|one\b(?!\s*(?:{_BIG}|%|per|hours?|minutes?|dollars?)))"
    rf"(?:{_SPELLED}))"
    rf"(?:(?:\s+and\s+|\s+|-)(?:{_SPELLED}|{_BIG}))*(?!\w)",
    re.I,
)
"""Two or more number words, or one that is no everyday word (`one` counts only before a unit; `zero` never)."""

DIGITS = re.compile(
    r"(?<![\w./:‹])(?<!\w-)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?![\d%])|\d+(?:\.\d+)?)"
    rf"(?:(k|mn?|bn?)\b|\s+({_BIG})\b)?",
    re.I,
)
PERCENT_SIGN = re.compile(r"\s?(?:%|per\s?cents?\b|pct\b)", re.I)
FRACTION_WORDS = (
    (re.compile(r"\bhalf an hour\b", re.I), "30 minutes"),
    (re.compile(r"\b(?:half(?= of)|half(?= the\b))", re.I), "50%"),
    (re.compile(r"\ba quarter(?= of)", re.I), "25%"),
)


def spelled_value(words: str) -> int:
    """The number that `words` spell: `two thousand five hundred` is 2500."""
    total = group = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word in SCALES and len(word) > 2:
            scale = SCALES[word]
            group = max(group, 1) * scale
            if scale >= 1000:
                total, group = total + group, 0
        else:
            group += _UNITS.get(word, 0) + _TENS.get(word, 0)
    return total + group


def number_text(value: float) -> str:
    """`value` in plain digits, without an exponent: 1500000, 0.5."""
    return str(int(value)) if value == int(value) else repr(value)
