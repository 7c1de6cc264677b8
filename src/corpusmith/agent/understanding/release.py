"""When a model becomes the champion: promote, deploy, put live, and on which condition."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import MODEL_IT, NAME, WHAT, wants_model
from corpusmith.agent.understanding.scan import BLANK, Scan
from corpusmith.agent.understanding.serving import SERVE, SERVE_TAIL
from corpusmith.agent.understanding.words import DONT
from corpusmith.core.brief import Deliverable

_IF = r"(?:but |and )?(?:only |automatically )?(?:if|when|once|provided(?: that)?|unless|as long as|after)"
_MET = (
    rf"{_IF} (?:it |the model )?(?:also )?(?:is )?{BLANK}+(?:(?:,? and|,? or|,)?(?: also| it| the model"
    rf"| if)* ?{BLANK}+)*|{_IF} (?:it |the (?:result|model) |all (?:the |its )?|every |the |its )?(?:must )?(?:gates?"
    rf"|checks?|evaluation)?"
    r" ?(?:pass(?:es)?|holds?|(?:is |it's )?(?:any )?(?:good|better)(?: enough)?|are met|succeeds?)(?: (?:all|every"
    r"|the) (?:gates?|checks?|evaluations?))?\b"
)
_ALSO = (
    rf"(?P<also>,? and (?:only )?(?:if )?(?:my|our|their|i|we|they|you|someone|somebody|everybody|nobody"
    rf"|no one) [^,.;{BLANK}]+)?"
)
_WHEN = rf"(?:,? (?P<met>{_MET}){_ALSO}|,? (?P<unmet>{_IF} (?!possible|you can|it works)[^,.;{BLANK}]+))?"
_BEFORE = re.compile(rf"\b{_IF} (?!possible|you can|it works)[^,.;{BLANK}]{{3,}}(?:,| then) $")
_PROMOTE = (
    rf"(?:promote|release)(?: {MODEL_IT})?(?: (?:in|to|into|as) (?:the )?(?:registry|champion))?"
    rf"|make {MODEL_IT} (?:the )?(?:champion|live model)|replace (?:the )?(?:champion|(?:current|live|old)(?: (?:model"
    rf"|champion))?)"
)
_NAME = r"[`'\"]?(?P<name>[a-z_][\w.-]*\w)[`'\"]?"
_BY_HAND = "no gate says that: promote it yourself, with `corpusmith model promote`"


def read_release(scan: Scan, draft: Draft) -> None:
    """Promotion and deployment with their conditions; a condition that cannot be checked promotes nothing.

    Runs after the rules that read what must be beaten and reached, whose words it finds used.
    """
    for match in scan.find(
        r"\bwithout (?:asking(?: me| us| anybody)?(?: first)?|(?:an? |my )?(?:approval|confirmation|permission))\b",
        True,
    ):
        reason = "approvals are given by --approve and --policy, never in the request"
        draft.leave(match.start(), scan.take(match, counts=False), reason)
    if not wants_model(draft):
        _without_model(scan, draft)
        return
    for match in scan.find(
        rf"\b{DONT} (?:automatically )?(?:(?P<serve>{SERVE})|{_PROMOTE})(?: {MODEL_IT}| anything)?\b{_WHEN}", True
    ):
        _promise(scan, draft, match, bool(match.group("met")), bool(match.group("serve")))
    for match in scan.find(
        rf"\b(?:and |then )*register(?: {MODEL_IT})?(?: (?:in|with|to) (?:the )?(?:model )?registry)?(?: as {_NAME})?"
    ):
        if match.group("name"):
            draft.claim("name", scan.original(*match.span("name")), match.start(), match.group())
        scan.take(match)
    for match in scan.find(r"\b(?:no|without) (?:promotion|promoting it|(?P<serve>deployment))\b", True):
        draft.claim("deploy" if match.group("serve") else "promote", False, match.start(), scan.take(match))
    for match in scan.find(rf"\b(?:and |then )*(?:{_PROMOTE})\b(?! (?:data|dataset)){_WHEN}"):
        _promise(scan, draft, match, True, False)
    for match in scan.find(rf"\b(?:and |then )*(?:{SERVE})(?: {MODEL_IT})?{SERVE_TAIL}{_WHEN}"):
        draft.claim("deliverable", Deliverable.ENDPOINT, match.start(), match.group())
        _promise(scan, draft, match, True, True)


def _promise(scan: Scan, draft: Draft, match: re.Match[str], wanted: bool, served: bool) -> None:
    """Promote (and serve) or not; what was asked under a condition that no gate expresses is not done, and said."""
    at, unmet = match.start(), _unmet(scan, draft, match)
    words = re.sub(r"^(?:(?:and|then) )+", "", scan.take(match)).rstrip(" ,")
    if wanted and unmet:
        draft.leave(at, words, _BY_HAND)
        wanted = False
    if wanted or not served:  # who does not want it served may want it promoted
        draft.claim("promote", wanted, at, words)
    if served:
        draft.claim("deploy", wanted, at, words)


def _unmet(scan: Scan, draft: Draft, match: re.Match[str]) -> bool:
    """Whether a condition that no gate expresses stands after or before the wish."""
    unknown = any(match.start() <= claim.at < match.end() for claim in draft.claims.get("unknown_rival", ()))
    after = unknown or match.group("unmet") or match.group("also")
    return bool(after or _BEFORE.search(scan.norm, 0, match.start()))


def _without_model(scan: Scan, draft: Draft) -> None:
    for match in scan.find(
        rf"\b(?:just |only )?(?:evaluate|benchmark|compare|judge) {NAME}(?:(?:, | and | with | against ){NAME})*\b"
    ):
        reason = "a model that is there is judged by itself, with `corpusmith tool run evaluate`"
        draft.leave(match.start(), scan.take(match, counts=False), reason)
    for match in scan.find(rf"\b(?:promote|register) (?:the|my|our) (?:\w+ )?{WHAT}\b"):
        draft.leave(match.start(), scan.take(match, counts=False), "no model was asked for")
