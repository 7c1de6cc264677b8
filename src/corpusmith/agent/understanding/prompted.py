"""The model that is prompted where nothing is trained.

prompt ./my-model few-shot · use Qwen at ./models/qwen, no fine-tuning
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import FAMILY, NAMED, base_name
from corpusmith.agent.understanding.scan import Scan
from corpusmith.core.brief import Deliverable

_CALLED = rf"(?:(?:the |my |our )?(?:(?P<what>(?:base )?model|base|checkpoint|{FAMILY}) )?(?:at |in |from |under )?)"
_SHOTS = (
    r"(?: model)?(?P<shots>,? (?:few-?shot|zero-?shot|with (?:a )?(?:few |\w+ )?examples(?: in (?:the|its) prompt)?))*"
)
_PROMPT = rf"\b(?:just |only |simply )?prompt {_CALLED}{NAMED}{_SHOTS}"
_AS = r"(?: as (?:the |a |its |my )?(?P<role>model|base(?: model)?|llm))?"
_USE = rf"\b(?:use|using|take|with) {_CALLED}{NAMED}{_AS}{_SHOTS}"
_LIKE_A_MODEL = re.compile(r"model|checkpoint|llama|qwen|mistral|gemma|phi|smollm|pythia|gpt|instruct", re.IGNORECASE)


def read_prompted(scan: Scan, draft: Draft) -> None:
    """A model that is named to be prompted; where training was ordered, a model that is named is a base to train."""
    claims = draft.claims.get("training", ())
    if any(claim.value for claim in claims):
        return
    for match in scan.find(_PROMPT):
        _take(scan, draft, match, True)
    if claims or draft.last("approach") == "prompting":
        for match in scan.find(_USE):
            _take(scan, draft, match, bool(match.group("what") or match.group("role") or match.group("shots")))


def _take(scan: Scan, draft: Draft, match: re.Match[str], called: bool) -> None:
    if match.group("family") or match.group("hosted"):
        return  # which of a family is meant would be a guess; said by the rule for bases
    path = match.group("path")
    name = base_name(scan, match, called or bool(path and _LIKE_A_MODEL.search(scan.path(path))))
    if name is None:
        return
    at, words = match.start(), scan.take(match)
    draft.claim("approach", "prompting", at, words)
    draft.claim("deliverable", Deliverable.MODEL, at, words)
    draft.claim("training.bases", name, at, words)
