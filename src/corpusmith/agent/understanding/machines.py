"""Where a training runs, as far as the sentence says: Ray, workers, GPUs, sharding, trackers."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.model_words import wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.core.errors import RequestError

_ON = r"(?:(?:and |sharded |distributed |run |running )*(?:on|with|over|across|using|use) )"
_CARD = r"(?:gpus?|cards?|[ahb][12]00s?|rtx ?\w+|l40s?|t4s?|accelerators?)"
_ONE = r"(?P<n>\d+|one|an?|a single|1)"
_PLACES: tuple[tuple[str, str | bool, str], ...] = (
    ("device", "gpu", rf"{_ON}(?:my |our |the |all )*{_CARD}"),
    ("device", "cpu", rf"{_ON}?(?:the |my )?cpus?(?: only)?"),
    ("backend", "ray", rf"{_ON}(?:a |the )?ray(?: train)?(?: cluster)?"),
    ("backend", "process", r"in (?:this|the same|1|one) process|in-process"),
    ("fsdp", True, rf"{_ON}?fsdp|shard(?:ed|ing)? (?:the )?(?:weights|model)"),
)
_TRACKERS = {
    "wandb": r"(?:weights ?(?:&|and) ?biases|wandb|w&b)",
    "mlflow": r"mlflow",
    "comet_ml": r"comet(?:[_ ]?ml)?",
    "tensorboard": r"tensor ?board",
}


def read_machines(scan: Scan, draft: Draft) -> None:
    """Workers and cards, Ray or none, trackers.

    Raises:
        RequestError: No worker at all.
    """
    if not wants_model(draft):
        return
    for match in scan.find(rf"\b{_ON}?{_ONE} (?:\w+ )?{_CARD}\b"):
        _workers(draft, match.group("n"), match.start(), words := scan.take(match))
        draft.claim("place.device", "gpu", match.start(), words)
    for match in scan.find(rf"\b{_ON}?(?P<n>\d+) (?:ray |training )?(?:workers?|processes)\b"):
        if "ray" in match.group():
            draft.claim("place.backend", "ray", match.start(), match.group())
        _workers(draft, match.group("n"), match.start(), scan.take(match))
    for match in scan.find(
        r"\b(?:no|without|not (?:on|with)|(?:don't|do not) use)(?: the)? (?:ray|gpus?|a gpu|the gpu)\b",
        True,
    ):
        field, value = ("backend", "process") if "ray" in match.group() else ("device", "cpu")
        draft.claim(f"place.{field}", value, match.start(), scan.take(match))
    for field, said, pattern in _PLACES:
        for match in scan.find(rf"\b(?:{pattern})\b"):
            draft.claim(f"place.{field}", said, match.start(), scan.take(match))
    for name, pattern in _TRACKERS.items():
        for match in scan.find(
            rf"\b(?:and )?(?:log|report|track)(?:ged|ing)?(?: (?:it|them|the run))? (?:to|in|with|on) {pattern}"
        ):
            draft.claim("place.report_to", name, match.start(), scan.take(match))
    for match in scan.find(r"\b(?:locally|on (?:this|my) (?:machine|laptop))\b"):
        scan.take(match)


def _workers(draft: Draft, number: str, at: int, words: str) -> None:
    count = int(number) if number.isdecimal() else 1
    if not 1 <= count <= 1024:
        raise RequestError(f"'{words}' is impossible: a training has 1 to 1024 workers", hint=EXAMPLE)
    draft.claim("place.workers", count, at, words)
