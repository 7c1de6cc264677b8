"""The parameter sets each method may run with, best-founded first. Pure functions of what the planner sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpusmith.agent.planner import View
from corpusmith.core.brief import Balance, Brief, NumberRange
from corpusmith.core.rows import Shape

Params = Mapping[str, Any]
HELD_OUT_FRAC = 0.1
"""Of a train that came without validation or test, for each of them, where a model is to be judged on it."""
ANY_NUMBER = 1e15
"""A bound that no price, year or count reaches: the tool's own defaults are those of one case."""


def boilerplate(_view: View) -> list[Params]:
    """Lines in many rows of a source: first what is clear, then what is common."""
    return [
        {"boilerplate": True, "boilerplate_min_share": 0.05},
        {"boilerplate": True, "boilerplate_min_share": 0.02},
        {"boilerplate": True, "boilerplate_min_share": 0.2},
    ]


def language(view: View) -> list[Params]:
    """The brief's languages; the bound is the operator's, and the metric's (`ops.language`)."""
    return [{"languages": list(view.brief.languages)}] if view.brief.languages else []


def lengths(view: View) -> list[Params]:
    """The brief's own bounds."""
    return [{"lengths": [bound.model_dump() for bound in view.brief.length]}] if view.brief.length else []


def numbers(view: View) -> list[Params]:
    """The brief's own ranges."""
    return [{"numbers": [bound.model_dump() for bound in view.brief.numbers]}]


def gopher_repetition(_view: View) -> list[Params]:
    """The published bounds, then Dolma's relaxation for line characters."""
    relaxed = {"dup_line_char_frac": 0.3, "dup_line_frac": 0.4, "top_2gram_char_frac": 0.25}
    return [{"gopher_repetition": True}, {"gopher_repetition": True, "thresholds": relaxed}]


def gopher_quality(_view: View) -> list[Params]:
    """The published bounds; then without the rules that punish code and lists; stop words for English only."""
    relaxed = {"alpha_word_frac": 0.6, "bullet_line_frac": 0.97, "symbol_word_ratio": 0.3}
    return [{"gopher_quality": True}, {"gopher_quality": True, "thresholds": relaxed}]


def exact_dedup(_view: View) -> list[Params]:
    """Exact copies only."""
    return [{"exact": True, "near": False}]


def near_dedup(view: View) -> list[Params]:
    """The brief's own rule."""
    wish = view.brief.dedup
    return [{"exact": True, "near": wish.near, "jaccard": wish.jaccard, "containment": wish.containment}]


def decontaminate(_view: View) -> list[Params]:
    """The tool's measured defaults."""
    return [{}]


def pii(view: View) -> list[Params]:
    """All kinds, or those the brief names."""
    return [{"pii": True, "pii_kinds": list(view.brief.pii_kinds)}]


def keeps_its_split(view: View) -> bool:
    """Whether the split that the data came with is to stay: no other was asked for."""
    return view.brief.splits.train >= 1


def unleak(view: View) -> list[Params]:
    """Rows of train that stand outside it leave; refused where they are over a fifth of train."""
    return [{"action": "drop", "near": view.brief.dedup.near, "jaccard": view.brief.dedup.jaccard}]


def regroup(view: View) -> list[Params]:
    """The split drawn anew by group, in the shares it had."""
    return [{"action": "regroup", "near": view.brief.dedup.near, "jaccard": view.brief.dedup.jaccard}]


def repeated_instructions(view: View) -> list[Params]:
    """One row per instruction: of several the one with the longest text stays."""
    on = "prompt" if view.shape is Shape.PREFERENCE else "instruction"
    return [{"exact": True, "near": False, "on": on}]


def stopwords(view: View) -> list[Params]:
    """Stop words of the languages asked for; English when none is named."""
    return [{"stopwords": list(view.brief.languages) or ["en"]}]


def generate(view: View) -> list[Params]:
    """As many pairs per row as the size asked for needs, at most 8."""
    wanted = view.brief.size.rows or 0
    per_row = min(8, max(2, -(-wanted * 2 // max(view.rows, 1))))
    kind = "preference" if view.brief.output.shape is Shape.PREFERENCE else "instruction"
    return [{"kind": kind, "max_per_row": per_row}]


def draw(view: View) -> list[Params]:
    """The draw the brief describes: by category, weight, number slots, or plain at random."""
    size, balance_wish = view.brief.size, view.brief.balance
    if balance_wish is not None and balance_wish.method not in ("undersample", "oversample"):
        return [_drawn(balance_wish, view.brief)]
    if size.tokens is not None:
        limit = {} if size.rows is None else {"rows": size.rows}
        return [{"method": "token_budget", "tokens": size.tokens, **limit}]
    return [{"method": "random", "rows": size.rows}]


def _drawn(wish: Balance, brief: Brief) -> Params:
    given = wish.model_dump(exclude_none=True)
    if wish.method == "number_slots":
        within = next((bound for bound in brief.numbers if bound.field == wish.field), NumberRange(field=""))
        given["low"] = -ANY_NUMBER if within.low is None else within.low
        given["high"] = ANY_NUMBER if within.high is None else within.high
        given.setdefault("keep_above", ANY_NUMBER)
    if brief.size.rows is not None:
        given["rows"] = brief.size.rows
    if brief.size.tokens is not None:
        given["tokens"] = brief.size.tokens
    return given


def balance(view: View) -> list[Params]:
    """Even out the categories of train, after the split."""
    wish = view.brief.balance
    return [] if wish is None else [wish.model_dump(exclude_none=True, include={"method", "field", "cap"})]


def deliver(view: View) -> list[Params]:
    """Template, splits and files as asked."""
    output, splits = view.brief.output, view.brief.splits
    template = output.template
    if template == "text" and view.shape is not Shape.TEXT:
        template = "preference" if view.shape is Shape.PREFERENCE else "alpaca"
    balanced = "wish:balance" in view.served
    if balanced and template == "windows":
        template = "text"  # the rows are windows already
    params: dict[str, Any] = {
        "template": template,
        "files": output.files,
        "splits": None if balanced else splits.model_dump() if splits.train < 1 else None,
        "name": view.brief.name,
        "languages": list(view.brief.languages),
    }
    judged = view.brief.training is not None or view.brief.approach == "prompting"
    if judged and splits.train >= 1 and not balanced:  # the data came split: only what it lacks is drawn
        params["held_out_frac"] = HELD_OUT_FRAC
    if template == "windows" and output.window_tokens:
        params["window_tokens"] = output.window_tokens
    return [params]
