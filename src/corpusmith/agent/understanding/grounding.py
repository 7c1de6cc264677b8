"""The documents that answers are to come from.

`answers grounded in ./articles` has the answers held against the documents, and is a hope; `must come from`, `only`,
`remove ungrounded answers` make it a condition.
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import PATH, REMOVE

_ANSWERS = r"(?:the |all |its |their |every |each )*(?:answers?|responses?|outputs?|completions?|it|they)"
_FORCE = r"(?:(?:must|may|should|shall|need to|needs to|have to|has to|is to|are to|can|all|always|be|is|are|only) )*"
_SOURCES = (
    rf"(?:only )?(?:the )?(?:(?:source )?(?:documents?|docs|articles?|texts?|files?|sources?|corpus|contexts?) )?"
    rf"(?:of |in |from |at )?(?P<docs>{PATH}(?:(?:,| and|, and| or) {PATH})*)"
)
_GROUNDED = (
    rf"\b(?:(?:with|whose) )?(?:{_ANSWERS} )?(?:(?:that|which) )?{_FORCE}"
    rf"(?:(?:well[- ])?(?:grounded|rooted|founded|based|supported|backed|covered|justified)(?: up)? (?:only )?"
    rf"(?:in|on|by|with) {_SOURCES}"
    rf"|(?:come|comes|coming|taken|drawn|stem|stems) (?:only )?(?:from|out of) {_SOURCES.replace('docs', 'origin')})"
)
_CHECK = (
    rf"\b(?:check|verify|hold|ground|grounding|compare|test) (?:{_ANSWERS} )?(?:for grounding )?(?:in|on|against|with) "
    rf"{_SOURCES}"
)
_REMOVED = (
    rf"\b(?:no|{REMOVE}) (?:the |all |any |every )*(?:rows? |pairs? )?(?:with |whose |that have )?"
    rf"(?:ungrounded|unsupported|unfounded|hallucinated) (?:answers?|responses?|outputs?|rows|pairs|examples)"
    rf" (?:against|by|with|using|according to|(?:that are )?not (?:in|from)) {_SOURCES}"
)
_BOUND = re.compile(r"\b(?:must|only|have to|has to|need to|needs to|always|shall)\b")


def read_grounding(scan: Scan, draft: Draft) -> None:
    """Documents named as what answers are grounded in; whether that is a condition."""
    for pattern, bound in ((_REMOVED, True), (_GROUNDED, False), (_CHECK, False)):
        for match in scan.find(pattern, negated=bound):
            named = match.groupdict().get("docs") or match.groupdict().get("origin") or ""
            words = scan.take(match)
            for found in re.finditer(PATH, named):
                draft.claim("grounded_in", scan.path(found.group()), match.start(), words)
            before = scan.before_in_clause(match.start())
            if bound or _BOUND.search(match.group()) or re.search(r"\b(?:keep|keeping) only\b", before):
                draft.gate(scan, "ungrounded_rate", "<=", 0.0, match.start(), words)
