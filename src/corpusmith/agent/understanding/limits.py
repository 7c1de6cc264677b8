"""Limits of a run: time, money, model tokens, turns; and the seed."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import NUMBER, UPPER
from corpusmith.core.brief import Budgets, Request
from corpusmith.core.errors import RequestError

_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}
_BEFORE = r"(?:(?:be )?(?:finish(?:ed)?|done|ready|stop|take|taking|run|spend(?:ing)?|use|using|pay|cost(?:ing)?) )?"
_TIME = (
    rf"\b{_BEFORE}(?:(?:within|in|for|after|{UPPER}) )+(?:the next )?(?P<value>{NUMBER})[ -]?"
    r"(?P<unit>seconds?|secs?|s|minutes?|mins?|min|hours?|hrs?|h|days?)\b(?: of (?:compute|time|work))?"
)
_MONEY = (
    rf"(?:\b{_BEFORE}(?:(?:{UPPER}|within|for|on) )*)(?:\$ ?(?P<a>{NUMBER})|(?P<b>{NUMBER}) ?(?:dollars?"
    r"|usd|bucks))(?: (?:of budget|budget|in total|total))?"
    rf"|\bbudget(?: of|:| is)? ?\$ ?(?P<c>{NUMBER})"
)
_MODEL_TOKENS = rf"\b{_BEFORE}(?:{UPPER} )?(?P<value>{NUMBER}) (?:llm|model|gpt|chat|api|prompt)[- ]tokens\b"
_TURNS = rf"\b{_BEFORE}(?:(?:{UPPER}|within|in) )(?P<value>{NUMBER}) (?:steps|turns|iterations|rounds|decisions)\b"
_SEED = r"\b(?:(?:use|using|with|set|and)? ?(?:the |a )?(?:random )?seed(?: of| =| is| to|=|:)? ?(?P<value>\d+))\b"


def read_limits(scan: Scan, draft: Draft) -> None:
    """Time, money, model tokens and turns."""
    for match in scan.find(_TIME):
        minutes = round(float(match.group("value")) * _MINUTES[match.group("unit")[0]], 6)
        _limit(draft, "budgets.minutes", minutes, match.start(), scan.take(match))
    for match in scan.find(_MONEY):
        amount = float(match.group("a") or match.group("b") or match.group("c"))
        draft.claim("budgets.cost_usd", amount, match.start(), scan.take(match))
    for name, pattern in (("budgets.tokens", _MODEL_TOKENS), ("budgets.iterations", _TURNS)):
        for match in scan.find(pattern):
            _limit(draft, name, round(float(match.group("value"))), match.start(), scan.take(match))


def _limit(draft: Draft, name: str, value: float, at: int, words: str) -> None:
    if value <= 0:
        raise RequestError(f"'{words}' is impossible: nothing can be done with none", hint=EXAMPLE)
    draft.claim(name, value, at, words)


def read_seed(scan: Scan, draft: Draft) -> None:
    """The seed of every draw."""
    for match in scan.find(_SEED):
        draft.claim("seed", int(match.group("value")), match.start(), scan.take(match))


def budgets_of(draft: Draft, request: Request) -> Budgets:
    """Limits given beside the sentence come before those in it."""
    minutes = _beside(draft, "budgets.minutes", request.max_minutes, "minutes")
    cost = _beside(draft, "budgets.cost_usd", request.max_cost_usd, "dollars")
    return Budgets(
        minutes=minutes,
        cost_usd=cost,
        tokens=draft.last("budgets.tokens"),
        iterations=draft.last("budgets.iterations", Budgets().iterations),
    )


def seed_of(draft: Draft, request: Request) -> int:
    """The seed given beside the sentence, else the sentence's, else 0."""
    return int(_beside(draft, "seed", request.seed, "seed") or 0)


def _beside(draft: Draft, name: str, given: float | None, unit: str) -> float | None:
    said: float | None = draft.last(name)
    if given is None:
        return said
    if said is not None and said != given:
        draft.notes.append(f"{unit}: {given:g} as given beside the request, not {said:g} ('{draft.words(name)}')")
    return given
