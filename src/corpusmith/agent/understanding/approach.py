"""How a wanted model is made where the request does not say: prompted, with retrieval, or trained; and why.

build a chatbot that writes in our style · choose between prompting, retrieval and fine-tuning · use RAG
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import WHAT, wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import PATH
from corpusmith.core.brief import Approach, Deliverable
from corpusmith.core.gates import Gate, Severity

NEEDS: dict[Approach, str] = {
    "retrieval": r"cit(?:e|es|ing)|(?:with|shows?|gives?) (?:its |their |the )?(?:sources|citations|references)"
    r"|up[- ]to[- ]date|latest|current|changes? (?:often|daily|weekly)|look(?:s|ing)? (?:it |them |things )?up"
    r"|search(?:es|ing)?|answers? questions? (?:about|from|over|on)|knows? (?:about|what)|facts",
    "fine-tuning": r"style|tone|voice|sounds? like|writes? like|formats?|json|classif(?:y|ies|ication)|labell?(?:s"
    r"|ing)?|predicts?|estimates?|prices?|scores?|categori[sz]es?|follows? instructions|speaks|cheap(?:er|ly)?"
    r"|fast(?:er)?|latency|offline|small",
    "prompting": r"few examples|prompt(?:s|ed|ing)?|quick(?:ly)?|prototype|try out|today",
}
_WHY: dict[Approach, str] = {
    "retrieval": "facts that change or must be cited are looked up, not learnt",
    "fine-tuning": "form, style, labels and numbers are learnt better than described in a prompt",
    "prompting": "no training was wanted, and examples in a prompt cost nothing to change",
}
_WAYS = r"(?:(?:few-?shot )?prompt(?:ing|s)?|retriev(?:al|e)|rag|(?:a )?fine[- ]?tun(?:e|ing)|train(?:ing)?)"
_CHOOSE = (
    rf"\b(?:(?:choose|decide|pick|select)(?: whether| between| among| from)?(?: to)? {_WAYS}(?:(?:, and |, or |, "
    rf"| and | or )(?:to )?(?:just )?{_WAYS})+|(?:should (?:i|we|you) |whether to )?{_WAYS}(?:, {_WAYS})* or (?:just "
    rf"|only |simply )?{_WAYS}|is (?:fine[- ]?tuning|training) (?:a model )?(?:worth it|needed|necessary)"
    rf"|is prompting (?:enough|good enough))\b(?: (?:on|with) (?={PATH}))?(?: for (?:an? |the )(?:\w+ )?{WHAT}\b)?"
)
_WANTED = (
    rf"\b(?:(?:build|make|create|give|get|want|need|produce|like|looking for)(?: me| us)? (?:an? "
    rf"|the )(?:(?!fine[- ]?tuned|trained)[\w-]+ ){{0,2}}?{WHAT}\b(?! (?:at|in|under) {PATH})(?: (?:out of|from|on|for"
    rf"|with)(?= {PATH}))?(?P<job> (?:that|which|who|to|for)\b[^.;,‹{0}]*)?)"
).replace("{0}", "\x00")
_PROMPT = (
    rf"\b(?:just |only |simply )?prompt (?:the |an? )?(?:base|{WHAT})(?: model)?(?: with (?:\w+ )?examples)?\b"
    r"|\b(?:use|using|with|by|via|do|only|just) (?:few-?shot )?prompting\b|\bprompting only\b"
)
_RETRIEVAL = (
    r"\b(?:use|using|do|with|by|via|build|prefer) (?:an? )?(?:retrieval(?:[- ]augmented generation)?|rag)(?: (?:system"
    r"|pipeline))?\b"
)
_ASK = (
    r"\b(?:(?:i|we) (?:want|would like|need) to )?(?:(?:chat|talk) (?:with|to)|ask (?:questions )?(?:about|of)"
    r"|(?:get )?answers? (?:my |our |any |all )?questions (?:about|over|from|on))"
    rf"(?: (?:my|our|the|these|all))*(?: \w+){{0,2}}?(?: (?:in|from|under))?(?= {PATH})"
)
_TASK = r"\b(?:the |my |our )?(?:task|job|goal|purpose) is (?:to )?(?=\x00|{need})".replace(
    "{need}", NEEDS["fine-tuning"]
)


def read_choice(scan: Scan, draft: Draft) -> None:
    """`Should I fine-tune or just prompt?`: chosen by what the request says of the task; before orders are read."""
    for match in scan.find(_CHOOSE, True):
        at, words = match.start(), scan.take(match)
        _settle(scan, draft, at, words, scan.full)
        gate = Gate(metric="gain_over_few_shot_low", op=">", target=0.0, severity=Severity.SHOULD, why=words)
        draft.hope(gate, at)
        for task in scan.find(_TASK):
            scan.take(task)


def read_approach(scan: Scan, draft: Draft) -> None:
    """A model that is wanted without an order to train one; nothing where training was ordered."""
    if not wants_model(draft):
        for match in scan.find(_WANTED):
            at, words = match.start(), scan.take(match)
            later = scan.match_at(rf" {PATH}(?P<job> (?:that|which|who)\b[^.;,‹\x00]*)", match.end())
            if later:
                scan.take_span(*later.span("job"))
            job = (match.group("job") or "") + (later.group("job") if later else "")
            _settle(scan, draft, at, words, job)
    for match in [*scan.find(_RETRIEVAL), *([] if wants_model(draft) else scan.find(_ASK))]:
        words = scan.take(match)
        draft.claim("deliverable", Deliverable.INDEX, match.start(), words)
        draft.claim("approach", "retrieval", match.start(), words)
        draft.claim("index", True, match.start(), words)
    for match in scan.find(_PROMPT):
        if not any(claim.value for claim in draft.claims.get("training", ())):
            words = scan.take(match)
            draft.claim("approach", "prompting", match.start(), words)
            draft.claim("deliverable", Deliverable.MODEL, match.start(), words)


def _settle(scan: Scan, draft: Draft, at: int, words: str, job: str) -> None:
    """Choose by what the model is for. The way that needs most is looked for first: facts, then form."""
    told = [way for way, need in NEEDS.items() if re.search(rf"\b(?:{need})\b", job)]
    choice: Approach = told[0] if told else "fine-tuning"
    if any(claim.value is False for claim in draft.claims.get("training", ())):
        choice = "prompting"
    draft.claim("approach", choice, at, words)
    if choice == "retrieval":
        draft.claim("deliverable", Deliverable.INDEX, at, words)
        draft.claim("index", True, at, words)
        for match in scan.find(
            r"\b(?:and )?(?:always )?(?:cites?|quotes|links(?: to)?|shows) (?:its |the )?(?:sources|references)\b"
        ):
            scan.take(match)
    else:
        draft.claim("deliverable", Deliverable.MODEL, at, words)
    if choice == "fine-tuning":
        draft.claim("training", True, at, words)
    unsaid = "nothing said what it is for, and a fine-tune is measured against the others"
    draft.notes.append(f"approach: {choice}, for {_WHY[choice] if told or choice == 'prompting' else unsaid}")


def approach_of(draft: Draft) -> Approach | None:
    """The approach that counts: training that is wanted wins, training that was declined leaves prompting."""
    if draft.last("training", False):
        return "fine-tuning"
    approach: Approach | None = draft.last("approach")
    return None if approach == "fine-tuning" else approach


def deliverable_of(draft: Draft) -> Deliverable:
    """The furthest thing asked for: a dataset, an index, a model, an endpoint."""
    asked = {claim.value for claim in draft.claims.get("deliverable", ())}
    if not draft.last("training", False) and approach_of(draft) != "prompting":
        asked.discard(Deliverable.MODEL)
    order = [Deliverable.DATASET, Deliverable.INDEX, Deliverable.MODEL, Deliverable.ENDPOINT]
    return max(asked, key=order.index, default=Deliverable.DATASET)
