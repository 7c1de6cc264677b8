"""Settings of a training and the search over them: rank, epochs, steps, learning rate, length, trials, replay."""

from __future__ import annotations

from dataclasses import dataclass

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.model_words import wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import NUMBER, PATH, UPPER
from corpusmith.core.errors import RequestError

_BE = r"(?: of| =|=|:| is| to)? ?"
_LEAD = r"(?:(?:with|at|and|of|use|using|a|an|the|lora) )*"
_RATE = r"\d+(?:\.\d+)?(?:e-?\d+)?"


@dataclass(frozen=True)
class _Setting:
    """A field of the training, how it is worded (group `n`), and the values it may take."""

    field: str
    pattern: str
    low: float
    high: float
    whole: bool = True


_SETTINGS = (
    _Setting("rank", rf"\b{_LEAD}(?:rank{_BE}|r ?= ?)(?P<n>\d+)\b", 1, 1024),
    _Setting("alpha", rf"\b{_LEAD}(?:lora[- ])?alpha{_BE}(?P<n>\d+)\b", 1, 65536),
    _Setting("epochs", rf"\b(?:(?:for|with|over|in) )?(?:only )?(?P<n>{NUMBER}|one|an?(?: single)?) (?:full )?"
        rf"(?:training )?"
             r"(?:epochs?|pass(?:es)?(?: over the data)?)\b", 0.001, 1000, whole=False),
    _Setting("max_steps", rf"\b(?:(?:for|with|in) )?(?:{UPPER} )?(?P<n>\d+) (?:training |optimi[sz]er |gradient )?"
             r"steps\b", 1, 10**7),
    _Setting("learning_rate", rf"\b{_LEAD}(?:learning[- ]rate|lr){_BE}(?P<n>{_RATE})", 1e-9, 1, whole=False),
    _Setting("dpo_beta", rf"\b{_LEAD}(?:dpo )?beta{_BE}(?P<n>{_RATE})", 1e-6, 100, whole=False),
    _Setting("sequence_length", rf"\b{_LEAD}(?:max(?:imum)? )?(?:sequence|context|seq)[ _-]?(?:length|len){_BE}"
        rf"(?P<n>\d+)"
             r"(?: tokens)?\b", 8, 10**7),
    _Setting("trials", rf"\b(?:and )?(?:(?:try|search(?: over)?|compare|test|sweep(?: over)?|with|in) )?(?:{UPPER} )?"
        rf"(?P<n>\d+) "
             r"(?:different )?(?:settings|configurations|configs|trials|combinations|runs)(?: (?:of|for"
             r"|over) (?:the )?(?:(?:hyper-?parameters?|learning rates?|lr|ranks?|epochs|and|,)"
                 r" ?)+)?", 1, 64),
)  # fmt: skip
_NAMES = r"(?:the )?(?:best )?(?:hyper-?parameters?|learning rates?|lr|ranks?|epochs|settings)"
_SEARCH = (
    rf"\b(?:and )?(?:search(?:ing)?|sweep(?:ing)?|tun(?:e|ing)|optimi[sz]e|find|grid search)(?: (?:over|for"
    rf"|on))? {_NAMES}(?:(?:, and |, | and ){_NAMES})*|\b(?:an? )?hyper-?parameter (?:search|sweep|tuning"
    rf"|optimi[sz]ation)\b(?: (?:over|for|on|of) {_NAMES}(?:(?:, and |, | and ){_NAMES})*)?"
)
_TRIALS = 4
_LEFT = (
    (
        r"\b(?:with |and |an? )*batch[- ]size(?: of| =|=|:)? ?\d+\b",
        "batches are filled by tokens, as far as memory goes",
    ),
    (rf"\b(?:{UPPER} )?{NUMBER} gpu[- ]hours?\b", "give the limit in minutes or dollars"),
    (
        r"\b(?:and )?(?:quanti[sz]e|convert|export|merge) (?:it|the (?:\w+ )?(?:model|adapter|weights))(?: (?:to|into"
        r"|as|with) (?:the )?(?:[\w-]+)(?: (?:safetensors|weights|base|model))?)?(?: (?:to|in|into) ‹\d+›)?(?!\w)",
        "a model is exported as safetensors, with `corpusmith model export`",
    ),
)
_REPLAYED = r"(?:rows|examples|documents|samples|pairs|conversations)"
_REPLAY = (
    rf"\b(?:(?:and|also) )*(?:replay(?:ing)?|mix(?:ing)? in|add(?:ing)?|blend(?:ing)? in|with) (?P<n>\d+) (?:general "
    rf"|other |replay(?:ed)? )*{_REPLAYED} (?:from|of|out of) (?P<path>{PATH})"
    r"(?: (?:against|to (?:prevent|avoid)|so (?:that )?it (?:does not|doesn't|won't)) (?:catastrophic )?forget\w*)?"
)


def read_hyperparameters(scan: Scan, draft: Draft) -> None:
    """Every setting of the training that is named with a value.

    Raises:
        RequestError: A value is out of bounds.
    """
    if not wants_model(draft):
        return
    _replay(scan, draft)
    for pattern, reason in _LEFT:
        for match in scan.find(pattern):
            draft.leave(match.start(), scan.take(match, counts=False).removeprefix("and "), reason)
    for setting in _SETTINGS:
        for match in scan.find(setting.pattern):
            text = match.group("n")
            at, words = match.start(), scan.take(match)
            value = 1.0 if text[0] in "oa" else float(text)
            if not setting.low <= value <= setting.high:
                raise RequestError(
                    f"'{words}' is impossible: {setting.field.replace('_', ' ')} goes from {setting.low:g} to"
                    f" {setting.high:g}",
                    hint=EXAMPLE,
                )
            draft.claim(f"training.{setting.field}", round(value) if setting.whole else value, at, words)
    for match in scan.find(r"\b(?:no|without(?: an?)?) hyper-?parameter (?:search|sweep|tuning)\b", True):
        draft.claim("training.trials", 1, match.start(), scan.take(match))
    for match in scan.find(_SEARCH):
        at, words = match.start(), scan.take(match)
        if not draft.has("training.trials"):
            draft.claim("training.trials", _TRIALS, at, words)
            draft.notes.append(f"trials: {_TRIALS}, for '{words}' names no number")


def _replay(scan: Scan, draft: Draft) -> None:
    for match in scan.find(_REPLAY):
        at, rows, path = match.start(), round(float(match.group("n"))), scan.path(match.group("path"))
        words = scan.take(match)
        draft.claim("training.replay_rows", rows, at, words)
        draft.claim("training.replay_from", path, at, words)
