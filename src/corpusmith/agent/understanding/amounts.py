"""How much: rows, tokens, splits."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import (
    ABOVE,
    BELOW,
    DONT,
    LOWER,
    NUMBER,
    PATH,
    PERCENT,
    ROW_NOUN,
    UPPER,
)
from corpusmith.core.errors import RequestError

_ABOUT = r"(?:about|around|roughly|approximately|approx\.?|some|circa|~|nearly|almost)"
_EXACT = r"(?:exactly|precisely|just|only|a total of exactly)"
_HOW = rf"(?:(?P<exact>{_EXACT})|(?P<about>{_ABOUT})|(?P<upper>{UPPER})|(?P<lower>{LOWER})) ?"
_GAP = (
    r"(?:[ -](?!(?:and|or|of|in|from|to|for|on|words?|tokens?|char\w*|minutes?|hours?|per|with|windows?"
    r"|by)\b)[a-z][a-z'&/-]*){0,5}?[ -]"
)
_ROWS = rf"(?<![\w.$/:-]){{how}}(?P<count>{NUMBER})(?![\w.]*[\d%])(?=(?P<rest>{_GAP}{ROW_NOUN}\b(?! (?:per|each)\b)))"
_TOKENS = rf"(?<![\w.$/:-]){{how}}(?P<count>{NUMBER}) (?:\w+ )?tokens\b(?! (?:each|per|long|or longer|or shorter))"
_BETWEEN = (
    rf"\bbetween (?P<low>{NUMBER}) and (?P<high>{NUMBER})(?=(?P<rest>(?: (?!words|tokens"
    rf"|char)[a-z]+){{0,3}}? {ROW_NOUN}\b))"
)

_TAIL = re.compile(
    r" (?:(?P<upper>max(?:imum)?|at most|tops|or fewer|or less)|(?P<lower>min(?:imum)?|at least|or more)"
    r"|(?P<exact>exactly))\b"
)

_TRAIN = r"(?:train(?:ing)?)"
_VALIDATION = r"(?:validation|valid|val|dev|development|eval)"
_TEST = r"(?:test(?:ing)?|holdout)"
_LABEL = rf"(?:{_TRAIN}|{_VALIDATION}|{_TEST})"
_LABELS = rf"(?:{_LABEL}(?: ?(?:/|,|-|&| and|, and) ?{_LABEL}){{1,2}})"
_SHARES = rf"(?P<shares>(?<![\w./-]){NUMBER}%?(?: ?(?P<sep>[/:-]) ?{NUMBER}%?)(?: ?(?P=sep) ?{NUMBER}%?)?)(?![\w/-])"
_RATIO = (
    rf"(?P<before>{_LABELS} ?(?:splits? )?(?:of |: ?|at )?|splits? (?:it |them |this |the \w+ )?(?:of |into |in |at "
    rf"|: ?|by )?(?:{_LABELS} )?)?{_SHARES}(?P<after> ?\(?{_LABELS}\)?)?(?P<word> splits?\b)?"
)
_ONE_SHARE = (
    rf"(?:\b(?:hold(?:ing)? out|keep(?:ing)?|reserve|set aside|with|use)? ?(?:an? )?(?P<share>{PERCENT})(?: of (?:it"
    rf"|them|the (?:rows|documents|data)))? ?(?:as |for |held out for )?(?:an? |the )?(?P<label>{_LABEL})\b"
    r"(?: (?:sets?|splits?|data|rows))?)"
)
_TRAIN_ON = (
    rf"\bon (?P<share>{PERCENT})(?: of (?:it|them|the (?:rows|documents|data)|(?P<path>{PATH})))?,? (?:and )?(?:test"
    rf"|evaluate)(?:ing)?(?: it)? on (?:the )?(?:(?:other|remaining) )?(?:(?P<rest>{PERCENT})|rest)"
)
_NO_SPLIT = rf"\b(?:{DONT} split(?:ting)?(?: it| them| anything)?|no splits?|(?:a )?single split|unsplit)\b"
_NAMED_SETS = (
    rf"\b(?:(?:into|in|with) )?(?:an? )?(?P<labels>{_LABELS}|{_LABEL}) (?:splits?|sets?)\b(?! (?:leak|overlap|contam))"
)


def read_size(scan: Scan, draft: Draft) -> None:
    """Rows and tokens: a plain number is what is wanted, a bound is a gate."""
    for match in scan.find(_BETWEEN):
        words = scan.original(match.start(), match.end("rest"))
        scan.take(match)
        draft.gate(scan, "rows", ">=", float(match.group("low")), match.start(), words)
        draft.gate(scan, "rows", "<=", float(match.group("high")), match.start(), words)
        draft.claim("size.rows", _count(match.group("high"), words), match.start(), words)
    for unit, pattern in (("tokens", _TOKENS), ("rows", _ROWS)):
        for how in (_HOW, rf"(?:{_HOW})?"):
            for match in scan.find(pattern.replace("{how}", how)):
                _size(scan, draft, match, unit)


def _size(scan: Scan, draft: Draft, match: re.Match[str], unit: str) -> None:
    end = match.end("rest") if unit == "rows" else match.end()
    words, at = scan.original(match.start(), end), match.start()
    scan.take(match)
    scan.understood += 1
    count = _count(match.group("count"), words)
    tail = _TAIL.match(scan.norm, end)
    if tail:
        words = f"{words} {scan.take(tail)}"
    lower = match.group("lower") or (tail and tail.group("lower"))
    upper = match.group("upper") or (tail and tail.group("upper"))
    exact = match.group("exact") or (tail and tail.group("exact"))
    if lower:
        draft.gate(scan, unit, ">" if re.fullmatch(ABOVE, lower) else ">=", count, at, words)
        return
    draft.claim(f"size.{unit}", count, at, words)
    draft.claim("size.exact", bool(exact), at, words)
    if upper:
        draft.gate(scan, unit, "<" if re.fullmatch(BELOW, upper) else "<=", count, at, words)
    elif exact and unit == "rows":
        draft.gate(scan, unit, "==", count, at, words)
    else:
        draft.claim(f"size.{unit}.hope", _hope(count, unit, bool(match.group("about"))), at, words)


def _hope(count: int, unit: str, about: bool) -> float:
    """The smallest amount that still counts as what was asked for; whole rows rarely sum to a token count exactly."""
    return round(count * (0.9 if about else 0.95 if unit == "tokens" else 1.0), 6)


def _count(number: str, words: str) -> int:
    count = round(float(number))
    if count < 1:
        raise RequestError(f"'{words}' is impossible: a dataset has at least 1 row", hint=EXAMPLE, words=words)
    return count


def read_splits(scan: Scan, draft: Draft) -> None:
    """Train, validation and test shares."""
    for match in scan.find(_NO_SPLIT, negated=True):
        draft.claim("splits", (1.0, 0.0, 0.0), match.start(), scan.take(match))
    for match in scan.find(_RATIO):
        _ratio(scan, draft, match)
    _single_shares(scan, draft)
    _train_on(scan, draft)
    for match in scan.find(_NAMED_SETS):
        labels = _kinds(match.group("labels"))
        words = scan.take(match)
        if draft.has("splits") or labels == ["train"]:
            continue
        held = {"validation": 0.05, "test": 0.05} if len(labels) > 2 else {k: 0.1 for k in labels if k != "train"}
        shares = (round(1 - sum(held.values()), 9), held.get("validation", 0.0), held.get("test", 0.0))
        draft.claim("splits", shares, match.start(), words)
        shown = "/".join(f"{part * 100:g}" for part in shares if part)
        draft.notes.append(f"splits: {shown}, for '{words}' names no shares")


def _ratio(scan: Scan, draft: Draft, match: re.Match[str]) -> None:
    raw = re.findall(NUMBER, match.group("shares"))
    parts = [float(part) for part in raw]
    labels = _kinds((match.group("before") or "") + (match.group("after") or ""))
    named = bool(match.group("word") or labels or (match.group("before") or "").startswith("split"))
    named = named or match.group("sep") == "/"
    total = sum(parts)
    whole = next((full for full in (100.0, 1.0) if abs(total - full) < 1e-6), None)
    if whole is None or len(parts) == 2:
        if not named or (match.group("sep") == "-" and whole is None and not labels and len(parts) == 2):
            return
        if whole is None:
            raise RequestError(
                f"the split {match.group('shares')} sums to {total:g}, not to 100",
                hint=f"Give shares that sum to 100, such as 90/5/5. {EXAMPLE}",
                split=match.group("shares"),
            )
    words = scan.take(match)
    names = labels if len(labels) == len(parts) else ["train", "validation", "test"][: len(parts)]
    if len(parts) == 2 and len(labels) != 2:
        names = ["train", "test"]
        draft.notes.append(f"'{words}' names two shares: taken as train and test")
    share = dict(zip(names, (round(part / whole, 9) for part in parts), strict=True))
    draft.claim("splits", _three(share), match.start(), words)


_LABEL_FIRST = rf"\b(?P<label>{_LABEL})(?: (?:set|split))? ?(?::|=|of)? ?(?P<share>{PERCENT})"


def _single_shares(scan: Scan, draft: Draft) -> None:
    share: dict[str, float] = {}
    at, words = 0, []
    first = re.search(_LABEL_FIRST, scan.norm)
    plain = re.search(_ONE_SHARE, scan.norm)
    pattern = _LABEL_FIRST if first and (plain is None or first.start() < plain.start()) else _ONE_SHARE
    for match in scan.find(pattern):
        share[_kinds(match.group("label"))[0]] = float(match.group("share").rstrip("%")) / 100
        at = match.start()
        words.append(scan.take(match))
    if not share:
        return
    for match in scan.find(r"\b(?:into |in )?[23] splits\b"):
        scan.take(match)
    said = ", ".join(words)
    held = sum(part for name, part in share.items() if name != "train")
    share.setdefault("train", round(1 - held, 9))
    if abs(sum(share.values()) - 1) > 1e-6:
        if set(share) != {"train"}:
            raise RequestError(f"the shares '{said}' do not sum to 100%", hint=EXAMPLE, split=said)
        share["test"] = round(1 - share["train"], 9)
        draft.notes.append(f"'{said}' leaves {share['test']:.0%} over: taken as test")
    draft.claim("splits", _three(share), at, said)


def _train_on(scan: Scan, draft: Draft) -> None:
    """`train on 80% of it, test on the rest`."""
    for match in scan.find(_TRAIN_ON):
        share = float(match.group("share").rstrip("%")) / 100
        at, words = match.start(), scan.take(match)
        if match.group("path"):
            draft.claim("sources", scan.path(match.group("path")), at, words)
        test = (match.group("rest") or "").rstrip("%")
        if not 0 < share < 1 or (test and abs(share + float(test) / 100 - 1) > 1e-6):
            raise RequestError(f"the shares '{words}' do not sum to 100%", hint=EXAMPLE, split=words)
        draft.claim("splits", (share, 0.0, round(1 - share, 9)), at, words)


def _three(share: dict[str, float]) -> tuple[float, float, float]:
    return share.get("train", 0.0), share.get("validation", 0.0), share.get("test", 0.0)


def _kinds(labels: str) -> list[str]:
    order = (("train", _TRAIN), ("validation", _VALIDATION), ("test", _TEST))
    found = re.findall(rf"\b{_LABEL}\b", labels)
    return [next(name for name, pattern in order if re.fullmatch(pattern, label)) for label in found]
