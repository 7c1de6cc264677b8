"""How a model is judged: on which rows, by which scores, against what, by a judge, for what it forgot.

accuracy at least 90% · must beat few-shot prompting · evaluate it on ./holdout.jsonl · check forgetting on ./g.jsonl
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import HOSTED, IT, MODEL_IT, WHAT, wants_model
from corpusmith.agent.understanding.places import BENCHMARKS
from corpusmith.agent.understanding.rivals import RIVAL
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import NUMBER, PATH, UPPER
from corpusmith.core.brief import EvaluationWish

_EVALUATE = (
    r"(?:and |then )*(?:evaluat(?:e|ed|ing)|test(?:ed)?|scor(?:e|ed)|measur(?:e|ed)|judg(?:e|ed)|benchmark(?:ed)?"
    r"|compar(?:e|ed))"
)
_SUBJECT = rf"(?: (?:{IT}|{MODEL_IT}|(?:the |both |all )models|both(?: of them)?|all of them))"
_HELD = r"(?:the |an? )?(?:test|validation|held-?out|holdout)(?: (?:split|set|data|rows))?"
_AGAINST = rf"(?:(?:the|its|all|every) )?(?:{RIVAL}|(?:un-?tuned|original) (?:1|one)|baselines?)"
_JUDGE = (
    r"\b(?:(?:with|and|use|using|by|have|let|also) )*(?:an? |the )?(?:llm(?:[- ]as[- ](?:an? )?judge|[- ]judges?)"
    r"|model judge|judge"
    rf" model)(?: (?:to )?(?:score|rate|judge|grade) (?:{IT}|the answers))?\b|\b(?:and )?judged? (?:it |them "
    rf"|the answers )?(?:with|by)"
    r" an? (?:llm|model|judge)\b"
)
_NAMED_JUDGE = (
    rf"\b(?:and )?(?:have|let) (?P<a>{HOSTED}) (?:judge|score|rate|grade) (?:it|them|the answers)\b"
    rf"|\b(?:and )?(?:judged?|scored?|rated?|graded?) (?:it |them |the answers )?(?:by|with) (?P<b>{HOSTED})|\b(?:with"
    rf"|and|use|using) (?P<c>{HOSTED}) as (?:an? |the )?judge\b"
)
_FORGET = (
    rf"\b(?:and |also )*(?:check|test|watch|measure)(?: (?:for|against|it for|the|what it|how much it))*(?:"
    rf" catastrophic)? (?:forgetting|forgets|forgot) (?:on|with|against|over|using|of|in) (?P<path>{PATH})"
)
_FORGETS = (
    rf"\b(?:and )?(?:it |the model )?(?:must |may |should )?(?:forgets?|loses?) (?P<bound>{UPPER}) (?P<n>{NUMBER}) "
    rf"(?:bits per byte|bpb) (?:on|of|in) (?P<path>{PATH})"
)
_NOT_WORSE_ON = (
    rf"\b(?:and )?(?:make sure (?:that )?)?(?:it |the model )?(?:is|must be|must not be|stays) (?:not worse|no worse"
    rf"|worse) than (?:the|its) base(?: model)? on (?P<path>{PATH})"
)
_OWN_SET = (
    rf"\b(?:use|keep|reserve|take|hold out) (?P<path>{PATH}) (?:(?:only|just) )?(?:for|as) (?:the |an? )?(?:evaluation"
    rf"|testing|evaluating"
    r"|test|eval|holdout|held-?out)(?: set| data| rows)?\b(?: only)?"
)
_MUST_NOT_FORGET = (
    rf"\b(?:but )?(?:it |the model )?(?:must not|mustn't|may not|should not|shouldn't|without) forget(?:ting)? (?:"
    rf"(?:what (?:is|stands) |anything |all )?(?:in|of|from) )?(?P<path>{PATH})"
)
_FORGET_NOTHING = (
    r"\b(?:without|no|avoid(?:ing)?|prevent(?:ing)?|so that it (?:does not|doesn't|won't)|it (?:must not"
    r"|should not)) (?:catastrophic(?:ally)? )?forget(?:ting)?\b"
)
FORGETTING = 0.05
_TASKS = {
    "label": r"classif(?:y|ies|ying|ication|iers?)|labell?ing|(?:predict|assign|guess)(?:s|ing)? (?:the |its |an? )?"
    r"(?:right )?(?:labels?|categor(?:y|ies)|class(?:es)?|topics?|sentiments?)|categori[sz](?:e|es|ing)",
    "number": r"(?<!logistic )(?<!ridge )regress(?:ors?|ion)|(?:predict|estimat|guess)(?:e|s|es|ing)? (?:the |its "
    r"|an? )?(?:\w+ )?(?:prices?|numbers?|scores?|ratings?|values?|costs?|amounts?)|(?:price|rating|score) prediction",
}

_JOB = (
    r"(?<=\x00) (?:that|which|who|to) (?:writes?|answers?|speaks?|sounds?|repl(?:y|ies)|responds?|follows?|explains?"
    r"|helps?|talks?|generates?|produces?|summari[sz]es?|assists?|supports?|chats?|imitates?)\b(?:(?! (?:from|on|using"
    r"|with|in|and|by|if|only)\b)[^.,;:‹\x00])*(?: in [\w ]+? (?:tone|style|voice|words))?"
)
"""What the model is for, said right after it: no wish about the data."""


def read_judging(scan: Scan, draft: Draft) -> None:
    """The evaluation wanted, before splits are read: `on the test split` asks for no new one."""
    if not wants_model(draft):
        return
    _read_task(scan, draft)
    _read_forgetting(scan, draft)
    _read_judge(scan, draft)
    own = (
        rf"\b{_EVALUATE}{_SUBJECT}?(?: (?:on|against|with|to) (?:{_AGAINST})(?:,? and (?:{_AGAINST}))*)? (?:on|against"
        rf"|with|using) (?P<path>{PATH})"
    )
    for match in (*scan.find(own), *scan.find(_OWN_SET)):
        at, path = match.start(), scan.path(match.group("path"))
        words = scan.take(match)
        draft.claim("evaluation.on", path, at, words)
        draft.claim("decontaminate_against", path, at, words)
        draft.gate(scan, "contamination_rate", "<=", 0.0, at, words)
    for match in scan.find(rf"\b{_EVALUATE}{_SUBJECT}? (?:on|against|with) {BENCHMARKS}\b"):
        words = scan.take(match, counts=False)
        draft.leave(match.start(), re.sub(r"^(?:and|then) ", "", words), "name the evaluation set as a file")
    for match in scan.find(
        rf"\b{_EVALUATE}(?:{_SUBJECT}(?: (?:on|against|with|to) (?:{_HELD}|{_AGAINST}))?| (?:on|against) (?:{_HELD}"
        rf"|{_AGAINST}))(?:,? and (?:with |to )?(?:{_HELD}|{_AGAINST}))*(?: on {_HELD})?(?![\w-])"
    ):
        scan.take(match)
    for match in scan.find(r"\b(?:and |then )*evaluate(?= *(?:with|by|using)? *\x00)"):
        scan.take(match)
    for match in scan.find(rf"\bon {_HELD}\b"):
        scan.take(match)
    for match in scan.find(rf"\b(?:and )?validate (?:it )?(?:on|with|against) {PATH}"):
        reason = "the validation rows are a split of the data: give its share, such as 80/10/10"
        draft.leave(match.start(), scan.take(match, counts=False), reason)


def _read_task(scan: Scan, draft: Draft) -> None:
    for task, pattern in _TASKS.items():
        if not re.search(rf"\b(?:{pattern})\b", scan.full):
            continue
        draft.claim("evaluation.task", task, 0, pattern)
        for match in scan.find(
            rf"\b(?:(?:that|which|to|for|and|the task is) )*(?:to )?(?:{pattern})\b(?! (?:model|the data))"
        ):
            scan.take(match)
    for match in scan.find(_JOB):
        scan.take(match, counts=False)
    for match in scan.find(rf"\b(?:an? |the )?{WHAT} (?:that|which) (?=\x00)"):
        scan.take(match)


def _read_forgetting(scan: Scan, draft: Draft) -> None:
    for match in scan.find(_FORGET):
        draft.claim("evaluation.general", scan.path(match.group("path")), match.start(), scan.take(match))
    for match in scan.find(_FORGETS, True):
        at, path, most = match.start(), scan.path(match.group("path")), float(match.group("n"))
        words = scan.take(match)
        draft.claim("evaluation.general", path, at, words)
        draft.gate(scan, "forgetting", "<=", most, at, words)
    for match in (*scan.find(_MUST_NOT_FORGET, True), *scan.find(_NOT_WORSE_ON, True)):
        at, path = match.start(), scan.path(match.group("path"))
        words = scan.take(match)
        draft.claim("evaluation.general", path, at, words)
        draft.gate(scan, "forgetting", "<=", FORGETTING, at, words)
        draft.notes.append(f"forgetting: at most {FORGETTING:g} bits per byte on the general set, for '{words}'")
    for match in scan.find(_FORGET_NOTHING, True):
        reason = "name a general set, as in: check forgetting on ./general.jsonl"
        draft.leave(match.start(), scan.take(match, counts=False), reason)


def _read_judge(scan: Scan, draft: Draft) -> None:
    for match in scan.find(_NAMED_JUDGE):
        group = next(name for name in "abc" if match.group(name))
        name, at = scan.original(*match.span(group)), match.start()
        draft.claim("evaluation.judge", True, at, scan.take(match))
        draft.leave(at, name, "the judge is the chat model of the settings")
    for match in scan.find(r"\b(?:no|without(?: an?)?) (?:llm )?judge\b", True):
        draft.claim("evaluation.judge", False, match.start(), scan.take(match))
    for match in scan.find(_JUDGE):
        draft.claim("evaluation.judge", True, match.start(), scan.take(match))


def evaluation_of(draft: Draft) -> EvaluationWish:
    """How a model is to be judged, as far as anything was said."""
    said = {
        name: draft.last(f"evaluation.{name}")
        for name in EvaluationWish.model_fields
        if draft.has(f"evaluation.{name}")
    }
    return EvaluationWish(**said)
