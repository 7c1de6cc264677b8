"""Which base models are tried: hub ids, folders, `tiny`, hosted models; one, or several of which the best is taken."""

from __future__ import annotations

import re
from itertools import pairwise

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import NAME, NAMED, base_name, wants_model
from corpusmith.agent.understanding.paths import NO_PATH
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.training import DATA_FILE
from corpusmith.agent.understanding.words import PATH

NO_BASE = "name the base as a hub id, owner/name, or as a folder"
"""Why a base that was named in words cannot be had: which of many models is meant would be a guess."""

_BASE = r"base(?: models?)?"
_CALLED = (
    rf"(?:on top of|starting (?:from|with)|start (?:from|with)|(?:with |use |using |the |from |on )*(?:{_BASE}"
    rf"|checkpoint)"
    r"(?: called| named| is| are| =|:)?)"
)
_AMONG = (
    r"(?:compar(?:e|ing)|try(?:ing)?|choos(?:e|ing) (?:between|from|among)|pick (?:between|from|among)|either|both)"
)
_PLAIN = r"(?:of|on|for|into|using|with|from|between|as|fine[- ]?tune|(?:pre-?)?train(?:ing)?|tune|to)"
_AS = rf"(?: as (?:the |its |an? |my |our )?{_BASE}\b)"
_LIST = rf"{NAME}(?:(?:,? and |,? or |, | vs\.? | versus ){NAME})*"
_BASES = re.compile(
    rf"(?:\b(?:(?P<called>{_CALLED})|(?P<among>{_AMONG})|(?P<plain>{_PLAIN}))[ :]+)?(?:the )?(?P<list>{_LIST})"
    rf"(?P<as>{_AS})?"
)
_TUNING_OF = rf"\bof (?:the )?(?P<path>{PATH})(?= (?:on|with|using|over) (?:\w+ ){{0,3}}{PATH})"
"""`full fine-tuning of ./base on ./qa.jsonl`: of two paths the first is what is tuned."""
_BEST = (
    r"\b(?:and |then |to )*(?:keep|take|train|fine[- ]?tune|pick|choose|use|find|see)(?: out)? (?:which (?:1"
    r"|one)? ?(?:is|works) (?:best|better)|the (?:best|better|winning|strongest)(?: (?:1|one|base|model|of them))?)\b"
)
_HOSTED_WORDS = (
    r"\b(?:(?:use|using|through|with|via|by|at|on) )?(?:the |an? )?(?:openai(?:'s)?(?![- ]compatible)|hosted)"
    r"(?: fine[- ]?tuning)?(?: (?:api|service|model|platform))?\b"
)


def read_bases(scan: Scan, draft: Draft) -> None:
    """Base models, wherever they are named; a path is data unless it is called the base."""
    if not wants_model(draft):
        return
    for match in scan.find(rf"\b(?:not|no|instead of|rather than) {_HOSTED_WORDS[2:]}", True):
        scan.take(match)
    for match in scan.find(_HOSTED_WORDS):
        draft.claim("training.hosted", True, match.start(), scan.take(match))
    for match in scan.find(_TUNING_OF):
        path = scan.path(match.group("path"))
        if re.search(r"(?:tun(?:e|ing)|training) $", scan.full[: match.start()]) and not DATA_FILE.search(path):
            draft.claim("training.bases", path, match.start(), scan.take(match))
    for match in scan.find(_BASES.pattern):
        _take_list(scan, draft, match)
    for match in scan.find(r"(?<=\x00) (?:against|versus|vs\.?)(?= \x00)"):
        scan.take(match)
    for match in scan.find(_BEST):
        scan.take(match)


def _take_list(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    called = bool(match.group("called") or match.group("as"))
    found = [
        (item.start() + match.start("list"), item.end() + match.start("list"))
        for item in re.finditer(NAMED, match.group("list"))
    ]
    kept = False
    for start, _ in found:
        item = re.compile(NAMED).match(scan.norm, start)
        if item is not None:
            kept = _take_one(scan, draft, item, called, match.group("plain") or "") or kept
    if kept:
        scan.take_span(match.start(), match.start("list"))
        if match.group("as"):
            scan.take_span(*match.span("as"))
        for (_, end), (start, _) in pairwise(found):
            scan.take_span(end, start)


def _take_one(scan: Scan, draft: Draft, item: re.Match[str], called: bool, lead: str) -> bool:
    """Use up one name; whether it was read as a base."""
    at, name = item.start(), base_name(scan, item, called)
    if item.group("family"):
        words = scan.take(item, counts=False).strip("`'\"")
        draft.leave(at, words, NO_BASE)
        return False
    if item.group("hosted") and lead in ("with", "using", "by") and not called:
        return _leave_chat_model(scan, draft, item, lead)
    if name is None:
        folder = item.group("hub")
        if folder and lead in ("on", "from", "with", "using") and folder[0].isalpha() and not NO_PATH.fullmatch(folder):
            words = scan.original(*item.span("hub"))
            draft.claim("sources", words, at, scan.take(item, counts=False))
        return False
    words = scan.take(item)
    draft.claim("training.bases", name, at, words)
    if item.group("hosted"):
        draft.claim("training.hosted", True, at, words)
    return True


def _leave_chat_model(scan: Scan, draft: Draft, item: re.Match[str], lead: str) -> bool:
    start = item.start() - len(lead) - 1
    name = scan.original(item.start(), item.end()).strip("`'\"")
    words = scan.take_span(start, item.end(), counts=False)
    draft.leave(start, words, f"it is not said what for: fine-tune {name} trains it, --model sets the chat model")
    return False
