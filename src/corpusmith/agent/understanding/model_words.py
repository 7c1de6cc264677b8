"""Words shared by the rules about models: what names a model, a method, an adapter, the data it learns from."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import PATH

HOSTED = r"(?:gpt-?(?:3\.5|4o?|4\.1|5)[\w.-]*\w|gpt-?[45]|ft:[\w.:-]+)"
HUB = r"(?!(?:and/or|train|test|hf|w)\b/?)[a-z0-9][\w.-]*/[\w.-]*\w"
BARE = r"(?:distil)?gpt-?2(?:-(?:medium|large|xl))?"
"""Hub ids without an owner that everybody writes so."""
_FAMILIES = (
    r"(?:tiny)?llama|qwen|mistral|mixtral|gemma|phi|smollm|pythia|falcon|olmo|deepseek|granite|bloom|stablelm|opt-"
    r"|cerebras-gpt|yi-"
)
FAMILY = rf"(?:{_FAMILIES})[\w.-]*(?:[ -]\d[\w.]*)*(?:[ -](?:instruct|chat|base)\b)?"
NAMED = (
    rf"[`'\"]?(?<![\w/-])(?:(?P<hosted>{HOSTED})|(?P<path>{PATH})|(?P<hub>{HUB})|(?P<bare>{BARE})|(?P<tiny>tiny)"
    rf"|(?P<family>{FAMILY}))(?![\w/-])[`'\"]?"
)
NAME = re.sub(r"\?P<\w+>", "?:", NAMED)
"""The same without groups."""

HUGGING_FACE = (
    r"(?:the |a )?(?:hugging ?-?face(?:'s)?(?: (?:model |dataset )?hub)?|hf(?: hub)?|(?:model |dataset )?hub)"
)

WHAT = (
    r"(?:(?:language |chat |reward )?models?|llms?|slms?|adapters?|transformers?|assistants?|chat ?bots?|bots?"
    r"|classifiers?|regressors?|predictors?)"
)
IT = (
    r"(?:it|them|this|these|that|those|(?:the|this|that|my|our) (?:(?:clean(?:ed)?|curated|resulting"
    r"|new) )?(?:results?|data|dataset|corpus|documents|articles|texts?|pairs|examples|rows|output"
    r"|train(?:ing)? (?:split|set|data)))"
)
MODEL_IT = (
    r"(?:it|this|that|(?:the|this|that|my|our) (?:\w+ )?(?:model|adapter|lora|result|weights|winner|candidate)"
    r"|the best(?: 1| one)?)"
)
ADAPTERS: dict[str, str] = {
    "qlora": r"q-?loras?",
    "dora": r"doras?",
    "lora": r"loras?",
    "prompt": r"(?:prompt|soft[- ]prompt|prefix)[- ]tuning|soft prompts?",
    "none": r"(?:full|all)[- ](?:weights?|parameters?|(?:model )?fine[- ]?tun(?:e|ing)|model (?:training|tuning))"
    r"|(?:without|no) (?:an? )?(?:lora|adapters?)\b",
}
METHODS: dict[str, str] = {
    "dpo": r"dpo|(?:direct )?preference[- ](?:optimi[sz]ation|tun(?:e|ing)|training)",
    "pretrain": r"(?:continued?|continual|further)(?: \w+)? ?pre-?training|(?:continue|continued|further) (?:to )?"
    r"(?:pre-?)?train(?:ing)?|domain[- ]adapt(?:ation|ed|ive)(?: pre-?training)?",
    "sft": r"sft|supervised fine[- ]?tuning|instruction[- ]?(?:fine[- ]?)?tun(?:e|ing)",
}
NOT_ROWS = (
    r"(?![ -](?:examples?|pairs?|data\b|data ?sets?|samples?|records?|rows|corpus|format|template|style|training data))"
)
_DATA_FOLDERS = r"(?:data|datasets?|corpus|corpora|articles|docs|documents|raw|inputs?|texts?|files|books|train)/.*"


def first_kind(table: dict[str, str], text: str) -> str | None:
    """The first entry of `table` that `text` speaks of."""
    return next((kind for kind, pattern in table.items() if re.search(rf"\b(?:{pattern})\b", text)), None)


def looks_like_model(name: str) -> bool:
    """Whether `owner/name` reads like a model's hub id and not like a folder of data."""
    lower = name.lower()
    if not re.fullmatch(r"[a-z0-9][\w.-]*/[\w.-]*\w", lower) or re.fullmatch(_DATA_FOLDERS, lower):
        return False
    return bool(
        re.search(rf"{_FAMILIES}|gpt|bert|\bt5|lora|instruct|chat|model|-(?:base|sft)\b", lower)
        or re.search(r"(?:^|[^a-z0-9])\d+(?:\.\d+)?[bm](?:[^a-z]|$)", lower)
    )


def wants_model(draft: Draft) -> bool:
    """Whether anything so far asked for a model (it may be taken back later in the sentence)."""
    return any(claim.value for claim in draft.claims.get("training", ())) or draft.has("approach")


def base_name(scan: Scan, match: re.Match[str], called_base: bool) -> str | None:
    """The base that a match of `NAMED` names, or None where it names data or nothing that can be opened."""
    groups = {kind: words for kind, words in match.groupdict().items() if words}
    if "path" in groups:
        path = scan.path(groups["path"])
        return path if called_base or looks_like_model(path) else None
    if "hub" in groups:
        name = scan.original(*match.span("hub"))
        return name if called_base or looks_like_model(name) else None
    if "bare" in groups:
        return groups["bare"].replace("gpt-2", "gpt2")
    if "tiny" in groups:
        return "tiny"
    return scan.original(*match.span("hosted")) if "hosted" in groups else None
