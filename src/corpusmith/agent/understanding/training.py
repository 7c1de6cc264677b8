"""Orders to train a model: the verb and what it is said of, the method, the adapter, the shape of rows they need.

    fine-tune a LoRA on them · run DPO on ./prefs.jsonl · continue pre-training gpt2 · never train on ./exam.jsonl

Which base, with which settings, where, how it is judged and when it goes live: `bases`, `hyperparameters`, `machines`,
`judging`, `release`. Models that are wanted without saying how: `approach`.
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import (
    ADAPTERS,
    IT,
    METHODS,
    NAME,
    NOT_ROWS,
    WHAT,
    first_kind,
    wants_model,
)
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.targets import PERSONAL
from corpusmith.agent.understanding.words import DONT, PATH
from corpusmith.core.brief import Deliverable

_ADAPTER = "|".join(f"(?:{pattern})" for pattern in ADAPTERS.values())
_METHOD = "|".join(f"(?:{pattern})" for pattern in METHODS.values())
_ADJECTIVES = (
    r"(?:(?:an?|the|my|our|some|another|any|\d+) )?(?:(?!(?:on|for|of|with|from|to|and|or|by|in|using"
    r"|over)\b)[\w.-]+ ){0,3}?"
)
_VERB = (
    r"(?:fine[- ]?tune|instruction[- ]?tune|post-?train|train|pre-?train|teach|(?:continue|further) (?:pre-?)?train"
    r"(?:ing)?|preference[- ]tune)"
)
_OBJECT = rf"(?: {_ADJECTIVES}(?:(?:{_ADAPTER})(?: (?:adapters?|models?))?|{WHAT})\b)"
_ON = (
    rf" ?,?(?: (?:on|with|over|using|from|to|by)(?: all)?(?: of)?(?: {IT}| that data| what(?:'s| is) left"
    rf"| what remains| the rest))\b"
)
_LATER = (
    rf"(?= (?:on|with|over|using|from) (?:the (?:data|rows|texts?|files) (?:in|of|from) )?(?:{PATH}|top of|all|my|our"
    rf"|the|\d))"
)
_ORDER = re.compile(
    rf"\b(?:use {IT} to )?(?P<verb>{_VERB})\b(?![/-]| and (?:test|validat|dev)| (?:splits?|sets?"
    rf"|nothing)\b)(?P<object>{_OBJECT})?(?P<best> (?:the )?(?:best|better|winner|strongest)(?: (?:1|one|of them|base"
    rf"|model)(?: (?:that )?you can)?)?\b"
    r"| which(?:ever)?(?: 1| one| model| base)? (?:is|works|does|scores) (?:best|better)\b)?"
)
_NOUNS = (
    rf"\b(?:before|then|after that,?|and|by) (?P<noun>(?:fine[- ]?tuning|training) (?:{_ADJECTIVES}(?:{WHAT}"
    rf"|{_ADAPTER})|{NAME}))\b(?:{_ON})?",
    rf"\b(?:(?:start|do|run|begin|launch|make|use|perform|try) )?(?:an? |the |some )?(?:(?:{_ADAPTER}) )?"
    rf"(?P<noun>fine[- ]?tun(?:e|ing)|(?:pre-?)?training|{_METHOD}|{_ADAPTER})(?: (?:run|job"
    rf"|training))?\b{NOT_ROWS}(?= (?:of|on|for|over|with) (?:the )?(?:{NAME}|{IT}|(?:\w+ ){{0,3}}(?:in|from) {PATH}"
    rf"|(?:\w+ )?{WHAT}))",
    r"\b(?:start|do|run|begin|launch|kick off) (?:an? |the )?(?P<noun>(?:\w+ )?(?:fine[- ]?tun(?:e|ing)"
    r"|(?:pre-?)?training|dpo|sft)|(?=hyper-?parameter))(?: (?:run|job))?\b(?! (?:data|set|split|examples))",
    rf"(?P<lead>^|[.,;:] |\b(?:deploy|serve|promote|want|need|get|give me|like|build|make|create|produce|for"
    rf"|publish) )(?:an? |the )?(?P<noun>(?:(?:\w+ )?{WHAT}|{_ADAPTER})(?: adapters?)?,? (?:that (?:is"
    rf"|was) )?(?:fine[- ]?tuned|trained)) on(?: (?:{IT})\b|(?= (?:the (?:data|rows|texts?) (?:in|of|from) )?{PATH}))",
    rf"\b(?:use|apply|try)(?: an?)? (?P<noun>{_ADAPTER})(?: adapters?)?\b",
    rf"\b(?:get|give|want|need|make|build|produce|deliver|return)(?: me)? (?:an? |the )?(?P<noun>(?:fine[- ]?tuned"
    rf"|trained) (?:\w+ )?(?:{WHAT}|{_ADAPTER})\b|(?:fine[- ]?tuned|trained) (?={NAME}))",
    rf"\b(?P<noun>fine[- ]?tuning) (?={NAME} (?:on|with|using) )",
)
_BASE_PATH = (
    rf"\b(?:(?:{_VERB}|re-?train) |(?=(?:(?:{_VERB}|re-?train|improve|update|adapt|make) )(?:the |my |our )?(?:model"
    rf"|checkpoint) (?:at|in|from|under) )[a-z-]+ (?:\w+ ){{2,3}})(?P<path>{PATH})(?: better)?"
)
DATA_FILE = re.compile(r"\.(?:jsonl?|ndjson|csv|tsv|parquet|txt|md|html?|arrow)(?:\.\w+)?/?$", re.IGNORECASE)
_HABIT = re.compile(r"\b(?:we|they|i|people|models) (?:(?:\w+ly|often|always|then|still|already) )?$")
"""Before the verb: what people do is no order."""
_AFTER_ANOTHER = re.compile(r"\b(?:then|followed by|and after that,?|afterwards) $")
_PLAIN_VERB = re.compile(r"fine[- ]?tune|instruction[- ]?tune|post-?train")
_TABLES = (("training.adapter", ADAPTERS), ("training.method", METHODS))


def read_kept_out(scan: Scan, draft: Draft) -> None:
    """`never train on ./exam.jsonl`: an evaluation set; `do not train on personal data`: mask it."""
    apart = rf"\b{DONT} (?:fine[- ]?)?(?:train|tune)(?:ing)? on (?P<path>{PATH})"
    out = rf"\b(?:keep|leave) (?P<path>{PATH}) out(?: of (?:the )?(?:training(?: data)?|data|rows))?\b"
    for match in (*scan.find(apart, negated=True), *scan.find(out)):
        at, path = match.start(), scan.path(match.group("path"))
        words = scan.take(match)
        draft.claim("decontaminate_against", path, at, words)
        draft.gate(scan, "contamination_rate", "<=", 0.0, at, words)
    for match in scan.find(rf"\b{DONT} (?:fine[- ]?)?(?:train|tune)(?:ing)? on (?:any )?{PERSONAL}\b", negated=True):
        at, words = match.start(), scan.take(match)
        draft.claim("remove_pii", True, at, words)
        draft.gate(scan, "pii_rate", "<=", 0.0, at, words, needs=("remove_pii", False))


def read_training(scan: Scan, draft: Draft) -> None:
    """The order itself, and the methods and adapters named anywhere in the request."""
    for match in scan.find(_BASE_PATH):
        _order_with_folder(scan, draft, match)
    for match in scan.find(_ORDER.pattern):
        if _HABIT.search(scan.norm, 0, match.start()):
            continue
        after = scan.norm[match.end() :]
        tail = re.match(_ON, after)
        bare = _PLAIN_VERB.fullmatch(match.group("verb")) and re.match(
            r" ?(?:[.,;!?]|$|and\b|then\b|only\b|if\b)", after
        )
        named = re.match(rf" (?:the )?{NAME}", after) and not re.match(rf" {PATH} (?:data|rows)", after)
        if match.group("object") or match.group("best") or tail or bare or named or re.match(_LATER, after):
            _order(scan, draft, match.start(), match.end() + (tail.end() if tail else 0))
    for pattern in _NOUNS:
        for match in scan.find(pattern):
            before = _AFTER_ANOTHER.search(scan.norm, 0, match.start())
            if before and "dpo" in match.group("noun") and wants_model(draft):
                _leave_second(scan, draft, before.start(), match.end())
            else:
                lead = match.groupdict().get("lead")
                _order(scan, draft, match.start() + len(lead or ""), match.end())
    if wants_model(draft):
        _name_kinds(scan, draft)


def _order_with_folder(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    """`fine-tune ./models/mine on ./a.jsonl`: what the verb is said of is the base, unless it is a file of data."""
    path = scan.path(match.group("path"))
    called = bool(re.search(r"model|checkpoint", match.group()))
    if not called and (
        DATA_FILE.search(path)
        or not scan.match_at(
            rf" (?:on|with|using|over) (?:the |my |our )?(?:\w+ ){{0,4}}?(?:{PATH}|{IT})",
            match.end(),
        )
    ):
        return
    draft.claim("training.bases", path, match.start(), scan.original(match.start(), match.end()))
    _order(scan, draft, match.start(), match.end())


def _order(scan: Scan, draft: Draft, start: int, end: int) -> None:
    said = scan.full[start:end]
    words = scan.take_span(start, end)
    for field, table in _TABLES:
        kind = first_kind(table, said)
        if kind:
            draft.claim(field, kind, start, words)
    if re.search(r"\bhosted\b", said):
        draft.claim("training.hosted", True, start, words)
    draft.claim("deliverable", Deliverable.MODEL, start, words)
    draft.claim("training", True, start, words)


def _leave_second(scan: Scan, draft: Draft, start: int, end: int) -> None:
    """DPO after another method: neither it nor its data belong to this run."""
    data = scan.match_at(rf" on {PATH}", end)
    words = scan.take_span(start, data.end() if data else end, counts=False)
    draft.leave(start, words, "one method in one run; run again from the model that this one makes")


def _name_kinds(scan: Scan, draft: Draft) -> None:
    """Methods and adapters beside the verb: `with DPO`, `in 4-bit`, `not QLoRA`, `followed by DPO`."""
    for match in scan.find(rf"{_AFTER_ANOTHER.pattern[:-1]}(?:with )?(?:{METHODS['dpo']})\b"):
        _leave_second(scan, draft, match.start(), match.end())
    for match in scan.find(r"\b(?:with |by |using |via )?(?:rlhf|ppo|grpo|orpo|kto|distillation)\b"):
        reason = "the methods are SFT, DPO and continued pre-training"
        draft.leave(match.start(), scan.take(match, counts=False), reason)
    for match in scan.find(r"\bfrom scratch\b"):
        reason = "a training starts from a base model; tiny is one that is pre-trained on this machine"
        draft.leave(match.start(), scan.take(match, counts=False), reason)
    for match in scan.find(r"\b(?:in|with|at|using) ?(?:4[- ]?bits?|nf4|int4)(?: quanti[sz]ation| precision)?\b"):
        claims = draft.claims.get("training.adapter", [])
        draft.claims["training.adapter"] = [claim for claim in claims if claim.value != "lora"]
        draft.claim("training.adapter", "qlora", match.start(), scan.take(match))
    by = r"(?:with|by|using|as|through|via|use|for|a|an)"
    for field, table in _TABLES:
        for kind, pattern in table.items():
            for match in scan.find(
                rf"(?:\b{by} ){{0,2}}\b(?:{pattern})(?: adapters?| training)?\b{NOT_ROWS}", kind == "none"
            ):
                draft.claim(field, kind, match.start(), scan.take(match))
            for match in scan.find(rf"\b(?:not|no|instead of|rather than) (?:an? )?(?:{pattern})\b{NOT_ROWS}", True):
                scan.take(match)
