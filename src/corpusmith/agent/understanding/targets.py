"""Gates asked for in words: `at most 1% near-duplicates`, `keep at least 80%`, `no HTML`, `html_rate < 0.001`."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft, bound_op, share
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import (
    ABOVE,
    AT_MOST,
    BELOW,
    BOUND,
    DONT,
    LOWER,
    NUMBER,
    PERCENT,
    REMOVE,
    UPPER,
)
from corpusmith.core.gates import Op
from corpusmith.core.metrics import METRICS

PERSONAL = (
    r"(?:(?:personal|private|sensitive) (?:data|information|info|details)|personally identifiable (?:data|information)"
    r"|pii|personal identifiers)"
)
_ROWS = r"(?: (?:rows|documents|texts|articles|examples|records|pages|content))?"
_SUBJECTS: tuple[tuple[str, str], ...] = (
    (
        "split_leak_rate",
        r"(?:(?:near[- ])?(?:duplicates|copies)|leak(?:s|age)?|overlap) (?:between|across) (?:the )?"
        r"(?:splits|train(?:ing)? and (?:test|validation)(?: sets?| splits?)?)"
        r"|(?:split|train[/-]test|cross-split) (?:leaks?|leakage|overlap)",
    ),
    ("identical_pair_rate", r"identical (?:preference )?pairs?"),
    ("repeated_instruction_rate", r"(?:repeated|duplicated?) (?:instructions?|questions?|prompts?)"),
    ("empty_response_rate", r"empty (?:responses?|answers?|outputs?)"),
    (
        "ungrounded_rate",
        r"(?:ungrounded|unsupported|unfounded|hallucinated) (?:answers?|responses?|outputs?|rows|pairs|examples)",
    ),
    ("exact_duplicate_rate", r"(?:exact|identical|verbatim) (?:duplicates?|duplication|copies|dupes)"),
    (
        "near_duplicate_rate",
        r"(?:near[- ]?(?:duplicates?|duplication|dupes|copies)|almost identical copies|near[- ]dups)",
    ),
    ("duplicates", r"(?:duplicates?|duplicate rows|duplicated" + _ROWS + r"|duplication|dupes|dups|repeats)"),
    ("pii_rate", PERSONAL),
    ("contamination_rate", r"(?:contamination|contaminated" + _ROWS + r"|benchmark leakage|test[- ]set overlap)"),
    ("html_rate", r"html(?: (?:remains|tags|markup|residue|left))?" + _ROWS),
    (
        "encoding_damage_rate",
        r"(?:mojibake|encoding (?:damage|errors|problems|issues)|broken (?:characters|encoding|unicode)|garbled text)",
    ),
    ("boilerplate_rate", r"(?:their |its |the )?boiler ?-?plate(?: lines| text)?" + _ROWS),
    ("empty_rate", r"empty (?:rows|documents|texts|articles|examples|records|pages|lines)"),
    ("truncated_rate", r"(?:truncated|cut[- ]off)" + _ROWS),
    ("gopher_repetition_fail_rate", r"(?:repetitive (?:rows|documents|text)|gopher repetition failures?)"),
    ("gopher_quality_fail_rate", r"gopher (?:quality )?failures?"),
    ("c4_fail_rate", r"c4 failures?"),
    ("fineweb_fail_rate", r"fineweb failures?"),
)
_REPAIRED = {
    "html_rate": 0.01,
    "encoding_damage_rate": 0.01,
    "boilerplate_rate": 0.05,
    "empty_rate": 0.0,
    "truncated_rate": 0.02,
    "identical_pair_rate": 0.0,
    "empty_response_rate": 0.0,
    "ungrounded_rate": 0.0,
}
_ANY = "|".join(pattern for _, pattern in _SUBJECTS)
MUST_NOT = (
    r"(?:must not|mustn't|should not|shouldn't|may not|can't|cannot|do not|don't|does not|doesn't|never|not|without)"
    r" (?:contain|include|have|hold|keep|leave|allow|want|containing|including|keeping|leaving)"
    r"(?: (?:any|the|all))?"
    r"(?: (?:rows|documents|texts|articles) (?:with|that (?:have|hold|contain)|containing))?(?: any)?"
)
_ZERO = (
    rf"\b(?:no|zero|0%?|without(?: any)?|free of|not any|{MUST_NOT}) (?P<list>(?:{_ANY})\b(?! (?:removal|detection"
    r"|removed|masking))"
    rf"(?:(?:, | or | and | nor |, or |, and )(?:any |no )?(?:{_ANY})\b)*)"
)
_BE = (
    r"(?: (?:rate|share|level))?(?: (?:must|should|has to|have to|to|be|is|are|stay|stays|remain|kept|at|of|down)){0,4}"
)
_AFTER = rf"(?P<bound>{BOUND}) (?P<share>{PERCENT}|0?\.\d+)"
_OF = r"(?: of)?(?: (?:the|all|any))?(?: (?:rows|documents|data) (?:with|being|that are))?"

_LOSE = r"(?:lose|losing|drop|dropping|discard|discarding|remove|removing|throw away|throwing away|cut|cutting)"
_KEEP = r"(?:keep|keeping|retain|retaining|preserve|preserving)"
_WHOLE = r"(?: of (?:(?:the|all|my|its|our) )?(?:rows|documents|data|input|articles|texts|examples|records|corpus))?"
_SOURCE = r" of (?:(?:the|any|each|every|all|1) )+(?:(?:one|single|1) )?(?:sources?|files?|inputs?)"
_FLOORS: tuple[tuple[str, bool, str], ...] = (
    (
        (
            rf"\b(?:no|not a|never a) (?:single )?step (?:may|can|should|must) {_LOSE} {ABOVE} "
            rf"(?P<share>{PERCENT}){_WHOLE}"
        ),
        True,
        "step",
    ),
    (rf"\b(?:{DONT} {_LOSE} {ABOVE}|{_LOSE} {UPPER}) (?P<share>{PERCENT}){_SOURCE}", True, "source"),
    (rf"\b{_KEEP} (?:{LOWER}) (?P<share>{PERCENT}){_SOURCE}", False, "source"),
    (rf"\b(?:{DONT} {_LOSE} {ABOVE}|{_LOSE} {UPPER}) (?P<share>{PERCENT}){_WHOLE}", True, "all"),
    (rf"\b(?:{_KEEP} {LOWER}|retention{_BE} {LOWER}) (?P<share>{PERCENT}){_WHOLE}", False, "all"),
    (rf"\b{LOWER} (?P<share>{PERCENT}) retention\b", False, "all"),
)


def read_floors(scan: Scan, draft: Draft) -> None:
    """How much may be lost: over all, of any one source, in one step."""
    for pattern, lost, scope in _FLOORS:
        for match in scan.find(pattern, negated=True):
            part = share(match.group("share"))
            floor = round(1 - part, 9) if lost else part
            at, words = match.start(), scan.take(match)
            metric = "retention" if scope == "all" else "source_retention_min"
            draft.gate(scan, metric, ">=", floor, at, words)
            if scope == "source":
                draft.claim("source_floor", floor, at, words)
            if scope == "step":
                draft.wishes.pop()
                draft.claim("retention_floor", floor, at, words)
    for match in scan.find(rf"(?:\b{UPPER} )(?P<share>{PERCENT}) (?:data )?loss\b", negated=True):
        at, floor = match.start(), round(1 - share(match.group("share")), 9)
        draft.gate(scan, "retention", ">=", floor, at, scan.take(match))
    for match in scan.find(rf"\b(?:{_KEEP}|sample|take|use)(?: (?:about|only|just|a))* {PERCENT}{_WHOLE}"):
        at = match.start()
        draft.leave(at, scan.take(match, counts=False), "give a number of rows or tokens instead of a share")


def read_targets(scan: Scan, draft: Draft) -> None:
    """Every gate worded with a bound, a bare zero, or a metric's own name."""
    _raw(scan, draft)
    for metric, subject in _SUBJECTS:
        bounded = (
            rf"(?:(?P<bound>{BOUND}) )?(?P<share>{PERCENT}){_OF} (?:{subject})\b(?: (?P<tail>{BOUND}|or less"
            r"|or fewer))?"
        )
        for pattern in (bounded, rf"\b(?:{subject}){_BE} {_AFTER}"):
            for match in scan.find(pattern, negated=True):
                op = _op(match.groupdict().get("bound") or match.groupdict().get("tail") or "at most")
                at, target = match.start(), share(match.group("share"))
                _ask(scan, draft, metric, op, target, at, scan.take(match))
                _hoped(scan, draft, metric, op, match.end())
    for match in scan.find(_ZERO, negated=True):
        for item in re.finditer(_ANY, match.group("list")):
            metric = next(name for name, subject in _SUBJECTS if re.fullmatch(subject, item.group()))
            at = match.start()
            words = (
                scan.original(match.start(), match.start("list"))
                + " "
                + scan.original(match.start("list") + item.start(), match.start("list") + item.end())
            )
            _ask(scan, draft, metric, "<=", 0.0, at, words)
        scan.take(match)
    _repairs(scan, draft)


_HOPED = re.compile(
    rf",? (?:and )?(?:ideally|preferably|hopefully),? (?:{BOUND} )?(?P<share>{PERCENT}|0|none)(?![\w.%])"
)


def _hoped(scan: Scan, draft: Draft, metric: str, op: Op, end: int) -> None:
    """`at most 1% near-duplicates, ideally 0`: a second target, aimed at beside the one that must hold."""
    match = _HOPED.match(scan.norm, end)
    if match:
        target = share(match.group("share").replace("none", "0"))
        metric = "near_duplicate_rate" if metric == "duplicates" else metric
        at = match.start("share")
        draft.gate(scan, metric, op, target, at, scan.take(match))


def _repairs(scan: Scan, draft: Draft) -> None:
    """`strip HTML`, `fix the encoding`: a must gate at the house's target, for a repair is no promise of none."""
    for metric, target in _REPAIRED.items():
        subject = next(pattern for name, pattern in _SUBJECTS if name == metric)
        if metric == "encoding_damage_rate":
            subject = rf"(?:{subject}|(?:text )?encodings?|unicode)"
        for match in scan.find(
            rf"\b(?:{REMOVE}|fix(?:ing)?|repair(?:ing)?|correct(?:ing)?) (?:(?:the|all|any) )*(?:{subject})\b"
        ):
            draft.gate(scan, metric, "<=", target, match.start(), scan.take(match))


def _raw(scan: Scan, draft: Draft) -> None:
    by_name = {name.lower(): name for name in METRICS}
    names = "|".join(sorted(by_name, key=len, reverse=True))
    for match in scan.find(
        rf"\b(?P<metric>{names}) ?(?P<op><=|>=|==|=|<|>|≤|≥) ?(?P<target>-?{NUMBER}%?|-?\.\d+)", True
    ):
        op: Op = {"=": "==", "≤": "<=", "≥": ">="}.get(match.group("op"), match.group("op"))  # type: ignore[assignment]
        metric, target, at = by_name[match.group("metric")], share(match.group("target")), match.start()
        _ask(scan, draft, metric, op, target, at, scan.take(match))


def _op(bound: str) -> Op:
    return "<=" if bound.startswith("or ") else bound_op(bound, AT_MOST, BELOW, ABOVE)


def _ask(scan: Scan, draft: Draft, metric: str, op: Op, target: float, at: int, words: str) -> None:
    """The gate, and the wish that goes with it: who wants few duplicates wants deduplication."""
    info = METRICS.get(metric)
    if op in (">", ">=") and (info is None or info.better == "lower") and (info is None or metric not in words):
        draft.leave(at, words, "that is measured to be low; ask for a largest share")
        return
    if metric in ("near_duplicate_rate", "exact_duplicate_rate", "duplicates"):
        draft.claim("dedup", "both", at, words)
        if metric == "duplicates":
            metric = "exact_duplicate_rate" if target == 0 else "near_duplicate_rate"
        draft.gate(scan, metric, op, target, at, words, needs=("dedup", "none"))
    elif metric == "pii_rate":
        draft.gate(scan, metric, op, target, at, words, needs=("remove_pii", False))
        draft.claim("remove_pii", True, at, words)
    else:
        draft.gate(scan, metric, op, target, at, words)
