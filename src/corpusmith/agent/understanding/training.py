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
from corpusmith.core.brief import Brief, Deliverable, PlaceWish, TrainingWish

_ADAPTER = "|".join(f"(?:{pattern})" for pattern in ADAPTERS.values())
_METHOD = "|".join(f"(?:{pattern})" for pattern in METHODS.values())
_ADJECTIVES = (
    r"(?:(?:an?|the|my|our|new|small|little|own|another|some|base|language|local|single|hosted|tiny(?= (?:\w+ )?"
    rf"(?:{WHAT}|{_ADAPTER})\b)) )*"
)
_VERB = (
    r"(?:fine-?tune|instruction-?tune|post-?train|train|pre-?train|teach|(?:continue|further) (?:pre-?)?train(?:ing)?)"
)
_OBJECT = rf"(?: {_ADJECTIVES}(?:(?:{_ADAPTER})(?: (?:adapters?|models?))?|{WHAT})\b)"
_ON = rf" ?,?(?: (?:on|with|over|using|from|to|by)(?: all)?(?: of)?(?: {IT}| that data))\b"
_LATER = (
    rf"(?= (?:on|with|over|using|from) (?:the (?:data|rows|texts?|files) (?:in|of|from) )?(?:{PATH}|top of|all|my|our"
    rf"|the|\d))"
)
_ORDER = re.compile(
    rf"\b(?:use {IT} to )?(?P<verb>{_VERB})\b(?![/-]| and (?:test|validat|dev)| (?:splits?|sets?|nothing)\b)"
    rf"(?P<object>{_OBJECT})?(?P<best> (?:the )?(?:best|better|winner|strongest)(?: (?:1|one|of them|base|model))?\b)?"
)
_NOUNS = (
    rf"\b(?:(?:start|do|run|begin|launch|make|use|perform|try) )?(?:an? |the |some )?(?:(?:{_ADAPTER}) )?"
    rf"(?P<noun>fine-?tun(?:e|ing)|(?:pre-?)?training|{_METHOD}|{_ADAPTER})(?: (?:run|job|training))?\b{NOT_ROWS}"
    rf"(?= (?:of|on|for|over|with) (?:the )?(?:{NAME}|{IT}|(?:\w+ ){{0,3}}(?:in|from) {PATH}|(?:\w+ )?{WHAT}))",
    r"\b(?:start|do|run|begin|launch|kick off) (?:an? |the )?(?P<noun>(?:\w+ )?(?:fine-?tun(?:e|ing)|(?:pre-?)?training"
    r"|dpo|sft))(?: (?:run|job))?\b(?! (?:data|set|split|examples))",
    rf"\b(?:an? |the )?(?P<noun>(?:(?:\w+ )?{WHAT}|{_ADAPTER})(?: adapters?)?,? (?:that (?:is|was) )?(?:fine-?tuned"
    rf"|trained))"
    rf" on(?: (?:{IT})\b|(?= (?:the (?:data|rows|texts?) (?:in|of|from) )?{PATH}))",
    rf"\b(?:get|give|want|need|make|build|produce|deliver|return)(?: me)? (?:an? |the )?(?P<noun>(?:fine-?tuned"
    rf"|trained)"
    rf" (?:\w+ )?(?:{WHAT}|{_ADAPTER}))\b",
)
_AFTER_ANOTHER = re.compile(r"\b(?:then|followed by|and after that,?|afterwards) $")
_PLAIN_VERB = re.compile(r"fine-?tune|instruction-?tune|post-?train")
_TABLES = (("training.adapter", ADAPTERS), ("training.method", METHODS))


def read_kept_out(scan: Scan, draft: Draft) -> None:
    """`never train on ./exam.jsonl`: an evaluation set; `do not train on personal data`: mask it."""
    for match in scan.find(rf"\b{DONT} (?:fine-?)?(?:train|tune)(?:ing)? on (?P<path>{PATH})", negated=True):
        at, path = match.start(), scan.path(match.group("path"))
        words = scan.take(match)
        draft.claim("decontaminate_against", path, at, words)
        draft.gate(scan, "contamination_rate", "<=", 0.0, at, words)
    for match in scan.find(rf"\b{DONT} (?:fine-?)?(?:train|tune)(?:ing)? on (?:any )?{PERSONAL}\b", negated=True):
        at, words = match.start(), scan.take(match)
        draft.claim("remove_pii", True, at, words)
        draft.gate(scan, "pii_rate", "<=", 0.0, at, words, needs=("remove_pii", False))


def read_training(scan: Scan, draft: Draft) -> None:
    """The order itself, and the methods and adapters named anywhere in the request."""
    for match in scan.find(_ORDER.pattern):
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
                _order(scan, draft, match.start(), match.end())
    if wants_model(draft):
        _name_kinds(scan, draft)


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


def settle_shape(_: Scan, draft: Draft) -> None:
    """The shape of rows that the method needs, where nothing was said about it; runs after the template was read."""
    if not trained(draft):
        return
    method, hosted = draft.last("training.method"), draft.last("training.hosted", False)
    pairs, template = draft.has("output.instruction"), draft.has("output.template")
    words = draft.words("training.method") or draft.words("training.hosted")
    if method == "dpo" and not (pairs or template):
        draft.claim("output.template", "preference", 0, words)
    elif method == "sft" or hosted:
        if hosted and not template:
            draft.claim("output.template", "messages", 0, words)
            draft.notes.append("template: messages, as the fine-tuning API takes them")
        if not (pairs or template):
            draft.claim("output.instruction", True, 0, words)
            draft.claim("generate_instructions", True, 0, words)


def trained(draft: Draft) -> bool:
    """Whether training is asked for, the last word counting."""
    return bool(draft.last("training", False))


_FIELDS = (
    "method", "adapter", "rank", "alpha", "epochs", "max_steps", "learning_rate", "dpo_beta", "sequence_length",
    "trials",
    "hosted", "replay_rows", "replay_from",
)  # fmt: skip


def training_of(draft: Draft) -> TrainingWish | None:
    """The training asked for, or None."""
    if not trained(draft):
        return None
    said = {name: draft.last(f"training.{name}") for name in _FIELDS if draft.has(f"training.{name}")}
    place = {name: draft.last(f"place.{name}") for name in PlaceWish.model_fields if draft.has(f"place.{name}")}
    if draft.has("place.report_to"):
        place["report_to"] = draft.union("place.report_to")
    bases = draft.union("training.bases") or (("gpt-4o-mini",) if said.get("hosted") else ("tiny",))
    return TrainingWish(**said, bases=bases, place=PlaceWish(**place))


def training_assumptions(brief: Brief, draft: Draft) -> list[str]:
    """One plain sentence for each thing about the model that was filled in."""
    wish, out = brief.training, []
    if wish is not None:
        if not draft.has("training.bases"):
            out.append(_unnamed_base(wish))
        if wish.method == "auto":
            out.append(
                "method: by the rows: pairs are fine-tuned on, preference pairs go to DPO, text is pre-trained on"
            )
        if wish.hosted:
            out.append("hosted training: it uploads the rows and costs money, so it waits for an approval")
        elif not draft.has("training.adapter"):
            out.append("weights: a LoRA adapter")
        if not draft.has("promote"):
            out.append("promotion: the model is registered as a candidate, for promoting it was not asked for")
        if brief.splits.train == 1:
            out.append("splits: none was wanted, so the model cannot be judged on rows it has not seen")
    if (wish is not None or brief.approach == "prompting") and not draft.has("splits"):
        out.append("splits: 80% train, 10% validation, 10% test, for a model is judged on rows it was not trained on")
    return out


def _unnamed_base(wish: TrainingWish) -> str:
    if wish.hosted:
        return "base model: gpt-4o-mini, for none was named"
    return "base model: tiny, pre-trained on this machine, for none was named; name a hub id or a folder for another"
