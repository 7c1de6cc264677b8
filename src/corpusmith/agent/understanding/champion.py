"""Training that goes on from the champion: `retrain the champion on ./new.jsonl`, `starting from the live model`."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.core.brief import Deliverable

_CHAMPION = (
    r"(?:the |our |my )?(?:(?:current|live|latest|present) )?champion(?:'s)?(?: (?:model|adapter|weights))?"
    r"|(?:the |our |my )(?:current|live) (?:model|adapter)"
)
_ORDERS = (
    r"\b(?:(?:continue|keep|resume|go on) (?:with )?(?:the )?(?:training|fine[- ]?tuning)|(?:continue|further) (?:to )?"
    rf"(?:train|fine[- ]?tune))(?: (?:from|on top of|of|with))? (?:{_CHAMPION})(?! on top)\b",
    rf"\b(?:re-?train|fine[- ]?tune|train|post-?train) (?:{_CHAMPION})\b(?: (?:further|again|anew))?",
)
_FROM = rf"(?:,? and |,? )?\b(?:starting|start|continu(?:e|ing)|go(?:ing)? on) (?:from|with|on) (?:{_CHAMPION})\b"
_ON_TOP = rf"\bon top of (?:{_CHAMPION})\b"
GOES_ON = "training: it goes on from the champion's weights; name a base to begin anew"


def read_champion(scan: Scan, draft: Draft) -> None:
    """Orders to go on from the champion, and where another order is to start from; before orders are read."""
    for pattern in _ORDERS:
        for match in scan.find(pattern):
            at, words = match.start(), scan.take(match)
            draft.claim("training", True, at, words)
            draft.claim("deliverable", Deliverable.MODEL, at, words)
            _goes_on(draft, at, words)


def read_start(scan: Scan, draft: Draft) -> None:
    """`fine-tune a LoRA on ./new.jsonl, starting from the champion`; after orders were read."""
    if wants_model(draft):
        for pattern in (_FROM, _ON_TOP):
            for match in scan.find(pattern):
                at = match.start()
                _goes_on(draft, at, scan.take(match))


def _goes_on(draft: Draft, at: int, words: str) -> None:
    draft.claim("training.from_champion", True, at, words)
    draft.notes.append(GOES_ON)
