"""Whether the curation itself is to be proved, on models trained on raw and on curated data."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import AT_LEAST, NUMBER
from corpusmith.core.gates import Gate, Severity

_DATA = (
    r"(?:(?:the|my|your|this|its|our) )?(?:curation|curating|cleaning|cleanup|curated data|filtering|de-?dup\w*"
    r"|dataset|data|work|it)"
)
_HELPED = (
    r"(?:(?:helps?|helped)(?: (?:a |the |my )?models?)?|pays? off|paid off|improves? (?:a |the )?models?|makes? (?:a "
    r"|the )?models? better|(?:is|was) worth it|(?:beats|is better than) (?:the )?raw(?: data)?)"
)
_SIDES = (
    r"(?:(?:the )?(?:raw|uncurated|original)(?: data)? (?:and|with|to|against|versus|vs\.?|or) (?:on )?(?:the )?"
    r"(?:curated|cleaned|clean)(?: data)?|(?:the )?(?:curated|cleaned|clean)(?: data)? (?:and|with|to|against|versus"
    r"|vs\.?|or) (?:on )?(?:the )?(?:raw|uncurated|original)(?: data)?)"
)
_PROVE = (
    rf"\b(?:and |then )*(?:show|prove|check|test|measure|verify|see|tell)(?: me)?(?: that| whether"
    rf"| if)? {_DATA}(?: (?:really|actually))? {_HELPED}\b(?:,? by training [\w ]+? on both)?",
    rf"\b(?:(?:and|then|with|run|do|also) )*(?:an? |the )?(?:data )?ablation(?: study| test)?\b(?: (?:against|of|on"
    rf"|versus|vs\.?) (?:{_SIDES}"
    r"|(?:the )?(?:raw|uncurated|original)(?: (?:data|input))?))?",
    rf"\b(?:and |then )*(?:compare|train) (?:(?:a |the )?(?:\w+ )?models? )?(?:(?:trained )?on )?{_SIDES}\b(?:,? and"
    rf" compare(?: them)?)?",
)
_ASKED = (
    rf"\b(?:did|does|has|will|would) {_DATA}(?: really| actually)? (?:help(?:ed)?|pay off|paid off|improve(?:d)? (?:a "
    rf"|the )?models?)\b"
)
_BY = rf",? by (?:{AT_LEAST} )?(?P<n>{NUMBER}) (?:bits per byte|bpb)"
_NO_ABLATION = r"\b(?:no|without(?: an?)?|skip the|don't run an?|do not run an?) (?:data )?ablations?\b"


def read_ablation(scan: Scan, draft: Draft) -> None:
    """The wish and its gate; a mere question (`did it help?`) gives a gate that is reported, not demanded."""
    for match in scan.find(_NO_ABLATION, True):
        draft.claim("ablation", False, match.start(), scan.take(match))
    for pattern in _PROVE:
        for match in scan.find(pattern):
            at, end = match.start(), match.end()
            words = scan.take(match)
            draft.claim("ablation", True, at, words)
            draft.gate(scan, "ablation_gain_low", ">", 0.0, at, words)
            more = scan.match_at(_BY, end)
            if more:
                draft.gate(scan, "ablation_gain", ">=", float(more.group("n")), at, f"{words} {scan.take(more)}")
    for match in scan.find(_ASKED):
        words = scan.take(match)
        draft.claim("ablation", True, match.start(), words)
        draft.hope(
            Gate(metric="ablation_gain_low", op=">", target=0.0, severity=Severity.SHOULD, why=words), match.start()
        )
    if draft.has("ablation"):
        for match in scan.find(r"\b(?:and )?tell me\b"):
            scan.take(match)
