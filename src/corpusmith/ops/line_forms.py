"""Normal forms of lines: what two lines have in common when they are the same boilerplate, and which never are any."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

MAX_LINE = 400
"""Most characters of a line of interest."""
_DIGITS = re.compile(r"\d+")
_COUNTS = re.compile(
    r"©|copyright|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\bpage\b|\bcomments?\b|\blikes?\b|\bviews?\b|"
    r"\bmin read\b|\d (?:am|pm|a\.m|p\.m)\b|\bupdated\b|\bposted\b|\d+[:.]\d\d\b",
    re.I,
)
_SPACE = re.compile(r"\s+")
_SPACELESS = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_CODE = re.compile(
    r"^(?:>>>|\.\.\.|[$#%>|@{}()<]|import |from \S+ import|def |class |return\b|(?:for|if|while|with) .*:$|try:|"
    r"else:|except|var |let |const |function |public |private |#include|using |package |\\|//|/\*|\*/|--|```|~~~)"
    r"|[;{}]\s*$|\)\s*:\s*$|\w\(.*\)\s*$|\w\s*[=:]=?\s*[\w\"'\[({].*[\])}\"']\s*$|^\S+\s*=\s*\S+"
)
_STRUCTURE = re.compile(
    r"^(?:(?:newly |also )?(?:new|added|changed|deprecated|removed|introduced)(?:,? since)?(?: in)?(?: version)? \S*\d|"
    r"availability|see also|return(?:s|ed)?\b|parameters?\b|raises?\b|the following (?:table|example)|for example)",
    re.I,
)


def _labels(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


LABELS = _labels(
    "share|subscribe|sign in|sign up|log in|login|register|menu|search|home|comments|leave a comment|reply|read more|"
    "back to top|skip to content|skip to main content|advertisement|share this|print|email|tweet|follow|follow us|"
    "contact us|about us|privacy policy|terms of service|terms of use|cookie policy|accept|accept all|next|previous|"
    "no posts|ready for more?|listen|open in app|get the app|sponsored|related articles|related posts|load more|"
    "all rights reserved|top new|write"
)
"""Short labels that are boilerplate where they repeat, though they have fewer than three words."""


_MARKED = re.compile(r"#{1,6} \S")
_SECTIONS = _labels(
    "abstract|acknowledgements|acknowledgments|appendix|arguments|author|authors|background|bugs|changelog|"
    "class|command|conclusion|conclusions|contents|copyright|default|description|diagnostics|discussion|environment|"
    "errors|example|examples|exceptions|exit status|features|field|files|functions|history|installation|"
    "introduction|key|license|methods|name|none|note|notes|option|options|overview|parameter|parameters|"
    "prerequisites|properties|question|answer|references|remarks|requirements|results|return|return value|returns|"
    "see also|standards|summary|synopsis|syntax|title|tip|true|false|type|types|usage|user|assistant|value|values|"
    "version|versions|warning|warnings"
)
"""One or two words that head a section, a column or a turn."""


class Kind(Enum):
    """What a line may be."""

    LONG = "three words and more, or a label: boilerplate where it repeats"
    SHORT = "one or two words: boilerplate where its neighbours say so"
    HEADING = "a heading: boilerplate only between lines that are"


@lru_cache(maxsize=1 << 14)  # lines that may be boilerplate come again and again
def line_form(line: str) -> tuple[str, Kind] | None:
    """The normal form of a line and its kind; None for one that never is boilerplate.

    Never are code, list marks, table rows, what ends in a colon, and what has fewer than three letters.
    """
    bare = line.strip()
    if not 3 <= len(bare) <= MAX_LINE or line.startswith(("    ", "\t")):
        return None
    label = bare.strip(" #*_-•·|[]()>").casefold()
    form = _SPACE.sub(" ", label)
    if len(_DIGITS.findall(form)) < 2 or _COUNTS.search(form):
        form = _DIGITS.sub("0", form)
    if form in LABELS:
        return form, Kind.LONG
    words = len(_WORD.findall(bare))
    letters = sum(map(str.isalpha, bare))
    if letters < 3 or letters < 0.4 * len(bare) or bare.endswith(":"):
        return None
    if _MARKED.match(bare):
        return f"# {form}", Kind.HEADING
    if _CODE.search(bare) or _STRUCTURE.match(form):
        return None
    if letters >= 8 and (words > 2 or _SPACELESS.search(bare)):
        return form, Kind.LONG
    return form, Kind.HEADING if form in _SECTIONS or bare.isupper() else Kind.SHORT
