"""What a model must beat and reach, as gates: `beats the base by 5 points`, `accuracy above 90%`."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft, bound_op
from corpusmith.agent.understanding.model_words import NAME, wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import ABOVE, AT_MOST, BELOW, BOUND, NUMBER, UPPER
from corpusmith.core.gates import Gate, Op, Severity
from corpusmith.core.metrics import METRICS

RIVALS: dict[str, str] = {
    "gain_over_base": r"(?:(?:its|the|their|that|our) )?(?:own )?(?:base(?:line)?(?: model)?|un-?tuned(?: (?:model|1"
    r"|one))?|original(?: model)?|zero-?shot(?: prompting| base)?)",
    "gain_over_few_shot": r"(?:the )?(?:few-?shot(?: prompting| baseline| base| prompts)?|prompting|prompts|examples"
    r" in the prompt)",
    "gain_over_plain": r"(?:the |all |any )*(?:plain|simple|classical|trivial|traditional|non-?ai) (?:baselines?"
    r"|methods?|models?)|tf-?idf(?: (?:and|with|\+) (?:ridge|logistic)(?: regression)?)?|nearest neighbou?rs?|(?:the "
    r"|a )?(?:mean|average|majority class|constant)(?: (?:predictor|baseline|prediction|price|value|answer))?",
    "gain_over_champion": r"(?:the |our |my )?(?:(?:current|live|old|last|previous|present) (?:model|champion|1|one"
    r"|version)|champion)|what(?:'s| is) live",
}
RIVAL = "|".join(f"(?:{pattern})" for pattern in RIVALS.values())
_IT = r"(?:(?:it|it's|(?:the|a) (?:result|model|fine[- ]?tune|candidate|adapter|lora|new 1|new one)|that|which) )?"
_BEATS = (
    r"(?:(?:really |clearly |significantly )?(?:beats?|outperforms?|surpass(?:es)?|tops|exceeds)|(?:is |does |scores? "
    r"|'s )?(?:really |clearly |any )?better than|improves? (?:on|over|upon)|wins? (?:against|over))"
)
_NOT_WORSE = r"(?:is (?:worse than|not better than|no better than)|(?:does not|doesn't|fails to) (?:beat|outperform))"
_LIST = rf"(?:{RIVAL})(?:(?:, and |, | and |,? as well as |,? or ){_IT}(?:{_BEATS} )?(?:{RIVAL}))*"
_BY = rf"(?: by (?:(?P<bound>{BOUND}) )?(?P<n>{NUMBER})(?P<unit>%| (?:percentage )?points?| pp)?)?"
_SCORES: dict[str, str] = {
    "judge_accuracy": r"judged? (?:accuracy|score)|score (?:by|of) the judge",
    "judge_style": r"judged? style",
    "accuracy": r"(?:test |label )?accura(?:cy|te)",
    "f1_macro": r"(?:macro[ -])?f1(?:[ -](?:macro|score))?",
    "exact_match": r"exact[ -]match(?:es)?|em score",
    "numeric_match": r"numeric(?:al)? match(?:es)?|right numbers",
    "rougeLsum": r"rouge(?:[ -]?l)?(?:[ -]?sum)?(?: score)?",
    "rmse": r"rmse|root mean squared? error",
    "mae": r"mae|mean absolute error",
    "perplexity": r"perplexity|ppl",
    "bits_per_byte": r"bits per byte|bpb",
    "unparsable_rate": r"unparsable answers?",
    "forgetting": r"forgetting",
}
_IS = (
    r"(?:(?:of|is|was|be|at|to|must be|should be|must|should|has to be|stays|remains|reaches|reach|hits|exceeds?"
    r"|scores?) )*"
)
_LEAD = r"(?:(?:with|and|reach(?:es|ing)?|until|its?|an?|the|whose|hit|get|achieve|that) )*"
_OR = r"(?: or (?P<or>more|better|higher|less|lower|below|above))?"


def read_rivals(scan: Scan, draft: Draft) -> None:
    """What must be beaten. A gain counts when the lower end of its interval is above nothing."""
    if not wants_model(draft):
        return
    for match in scan.find(
        rf"\b(?P<ask>(?:(?:and|tell|show|let|see|check|report|find|out|me|know) )+(?:if|whether) )?{_IT}(?:(?:must"
        rf"|should|has to|needs to|will|can) )?(?:{_BEATS}|(?P<not>{_NOT_WORSE})) (?P<list>{_LIST})\b{_BY}",
        True,
    ):
        if match.group("not") and not re.search(
            r"\b(?:unless|don't|do not|never|not|only)\b",
            scan.sentence(match.start()),
        ):
            continue
        at = match.start()
        metrics = [name for name, pattern in RIVALS.items() if re.search(rf"\b(?:{pattern})\b", match.group("list"))]
        words = scan.take(match)
        for metric in metrics:
            if match.group("ask"):
                draft.hope(Gate(metric=f"{metric}_low", op=">", target=0.0, severity=Severity.SHOULD, why=words), at)
                continue
            draft.gate(scan, f"{metric}_low", ">", 0.0, at, words)
            if match.group("n"):
                share = (match.group("unit") or "").strip()
                by = float(match.group("n")) / (100 if share else 1)
                op: Op = ">" if re.fullmatch(ABOVE, match.group("bound") or "") else ">="
                draft.gate(scan, metric, op, by, at, words)
    _read_other_rivals(scan, draft)


def _read_other_rivals(scan: Scan, draft: Draft) -> None:
    for match in scan.find(
        rf"\b(?:(?:and|show|prove|that) )*{_IT}(?:(?:must|should|has to) )?{_BEATS} (?:the )?{NAME}",
        True,
    ):
        reason = "a model is compared with its base, few-shot prompting, plain baselines and the champion"
        draft.claim("unknown_rival", True, match.start(), match.group())
        draft.leave(match.start(), scan.take(match, counts=False).removeprefix("and "), reason)


def read_scores(scan: Scan, draft: Draft) -> None:
    """Bounds on a model's own scores; a number without a bound is the worst that is accepted."""
    if not wants_model(draft):
        return
    number = rf"(?P<n>{NUMBER})(?P<pct>%?)(?![\w.]*\d)"
    for metric, pattern in _SCORES.items():
        for shape in (
            rf"\b{_LEAD}(?:{pattern})[ :=]*{_IS}(?P<bound>{BOUND})? ?{number}{_OR}",
            rf"(?:\b{_LEAD})?(?P<bound>(?<!\w){BOUND}) {number}{_OR}(?: of)? (?:{pattern})\b",
            rf"\b{_LEAD}{number}(?P<bound>)(?: of)? (?:{pattern})\b{_OR}",
        ):
            for match in scan.find(shape):
                _score(scan, draft, metric, match)


def _score(scan: Scan, draft: Draft, metric: str, match: re.Match[str]) -> None:
    at = match.start("n")
    op = _op(metric, match)
    words = re.sub(r"^(?:(?:with|and|until) )+", "", scan.take(match))
    draft.gate(scan, metric, op, _amount(metric, match), at, words)
    if metric.startswith("judge"):
        draft.claim("evaluation.judge", True, at, words)
    hoped = re.compile(
        rf",? (?:but |and )?(?:ideally|preferably|hopefully),? (?P<bound>{BOUND})? ?(?P<n>{NUMBER})(?P<pct>%?)(?P<or>"
        rf"(?!))?(?![\w.])"
    )
    more = hoped.match(scan.norm, match.end())
    if more:
        draft.gate(
            scan,
            metric,
            _op(metric, more) if more.group("bound") else op,
            _amount(metric, more),
            more.start("n"),
            scan.take(more),
        )


def _op(metric: str, match: re.Match[str]) -> Op:
    """The comparison meant; without a bound, from the direction in which the metric is good."""
    bound, tail = match.group("bound") or "", match.group("or") or ""
    if bound:
        return (
            bound_op(bound, AT_MOST, BELOW, ABOVE)
            if re.fullmatch(UPPER, bound)
            else bound_op(bound, UPPER, BELOW, ABOVE)
        )
    if tail and tail != "better":
        return "<=" if tail in ("less", "lower", "below") else ">="
    return "<=" if METRICS[metric].better == "lower" else ">="


def _amount(metric: str, match: re.Match[str]) -> float:
    value = float(match.group("n"))
    percent = bool(match.group("pct")) or (METRICS[metric].unit == "share" and 1 < value <= 100)
    return round(value / 100, 9) if percent else value
