"""Where the result is published: a repository of a Hugging Face hub, never without an approval."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_wish import trained
from corpusmith.agent.understanding.model_words import HUGGING_FACE, IT
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import PATH

_MODEL = r"(?:the |my |our |its )?(?:(?:trained |fine[- ]?tuned |resulting |merged )?(?:model|adapter|lora|weights))"
_DATA = r"(?:the |my |our )?(?:\w+ )?(?:data ?set|data|corpus|pairs|examples|rows)"
_OBJECT = rf"(?:(?P<model>{_MODEL})|(?P<data>{_DATA})|(?P<any>{IT}|everything))"
_REPO = rf"[`'\"]?(?P<repo>[a-z0-9][\w.-]*/[\w.-]*\w|{PATH})[`'\"]?"
_VERB = r"(?:and |then )*(?:push|publish|upload|release|send|share)"
_AS = r"(?:(?:as|under|in|at|into|to|called|named)(?: the)?(?: (?:name|repo(?:sitory)?))?)"
_PATTERNS = (
    rf"\b{_VERB}(?: {_OBJECT})?(?: privately)? (?:to|on|onto) {HUGGING_FACE}(?:,? {_AS} {_REPO})?",
    rf"\b{_VERB} {_OBJECT}(?: privately)? (?:to|as|under) {_REPO}(?: (?:on|in|at) {HUGGING_FACE})?",
    rf"\b(?:and|,) {_OBJECT} (?:to|as|under) {_REPO}(?: (?:on|in|at) {HUGGING_FACE})?",
)


def read_publishing(scan: Scan, draft: Draft) -> None:
    """Every push to a hub, with what is pushed and where to."""
    for number, pattern in enumerate(_PATTERNS):
        if number == len(_PATTERNS) - 1 and not draft.has("publish"):
            return  # `and the model to acme/lora` goes on with the verb before it
        for match in scan.find(pattern):
            _publish(scan, draft, match)


def _publish(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    repo = match.group("repo")
    if repo is not None:
        repo = scan.path(repo) if "‹" in repo else scan.original(*match.span("repo"))
        repo = repo.removeprefix("hf://").strip("/")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or repo.startswith("."):
            return  # a folder: `publish it to ./out`
    at, kind = match.start(), "model" if match.group("model") else "data" if match.group("data") else "any"
    words = re.sub(r"^(?:(?:and|then) )+", "", scan.original(match.start(), match.end()))
    scan.take(match, counts=repo is not None)
    if repo is None:
        draft.leave(at, words, "name the repository, as in: to the hub as owner/name")
    else:
        draft.claim("publish", (kind, f"hf://{repo}"), at, words)


def settle_publishing(_: Scan, draft: Draft) -> None:
    """Now that it is known whether a model is made: what goes where."""
    for claim in draft.claims.get("publish", ()):
        kind, repo = claim.value
        if kind == "model" and not trained(draft):
            draft.leave(claim.at, claim.words, "no model was asked for")
            continue
        field = "publish_data_to" if kind == "data" and trained(draft) else "publish_to"
        draft.claim(field, repo, claim.at, claim.words)
        gated = (
            ", and only when every must gate about the model holds" if field == "publish_to" and trained(draft) else ""
        )
        draft.notes.append(f"publishing: {repo}, private, after an approval{gated}")
