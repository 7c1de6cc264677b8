"""Quality filters with their thresholds overridden by rule name, as the ledger shows the names.

`gopher_quality.alpha_word_frac` sets the threshold of that rule; the bare `alpha_word_frac` sets it in every family
that is on and has such a rule. None leaves the rule out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from corpusmith.core.errors import ParameterError
from corpusmith.core.operators import RowOperator
from corpusmith.ops.quality import C4Quality, FineWebQuality, GopherQuality, GopherRepetition

_NGRAM = re.compile(r"^(top|dup)_(\d+)gram(?:_char_frac)?$")
_FIRST_N = {"top": 2, "dup": 5}
_LISTS = frozenset({"max_top_ngram", "max_dup_ngram"})
"""Fields that hold a bound per length of n-gram; each is set by its own rule's name."""
_NEVER = 2.0
_SWITCHES = frozenset({"curly_brackets", "lorem_ipsum"})


def quality_filters(
    *, gopher_quality: bool, gopher_repetition: bool, c4: bool, fineweb: bool, thresholds: Mapping[str, float | None]
) -> list[RowOperator]:
    """The filter families that are on, with `thresholds` put in.

    Raises:
        ParameterError: A threshold names no rule of a family that is on, or is of a kind the rule cannot use.
    """
    families: list[Any] = [
        family
        for family, on in (
            (GopherRepetition(), gopher_repetition),
            (GopherQuality(), gopher_quality),
            (C4Quality(), c4),
            (FineWebQuality(), fineweb),
        )
        if on
    ]
    for rule, value in thresholds.items():
        family_name, _, bare = rule.rpartition(".")
        hits = 0
        for index, family in enumerate(families):
            if family_name in ("", family.name):
                changed = _with_threshold(family, bare, value)
                if changed is not None:
                    families[index] = changed
                    hits += 1
        if not hits:
            known = sorted({name for family in families for name in _rules_of(family)})
            raise ParameterError(
                f"clean: no rule {rule!r} in the filters that are on",
                hint=f"Rules that can be set: {', '.join(known) or 'none, no quality filter is on'}.",
            )
    return families


def _rules_of(family: Any) -> list[str]:
    names = []
    for item in fields(family):
        if item.name in _LISTS:
            kind = item.name[4:7]
            names += [f"{kind}_{_FIRST_N[kind] + at}gram_char_frac" for at in range(len(getattr(family, item.name)))]
        elif item.name.startswith(("min_", "max_")) or item.name in _SWITCHES:
            names.append(item.name)
    return names


def _with_threshold(family: Any, rule: str, value: float | None) -> Any | None:
    """`family` with the threshold of `rule` set, or None when it has no such rule."""
    names = {item.name for item in fields(family)}
    ngram = _NGRAM.match(rule)
    if ngram:
        kind, place = ngram.group(1), int(ngram.group(2)) - _FIRST_N[ngram.group(1)]
        name = f"max_{kind}_ngram"
        if name not in names or not 0 <= place < len(getattr(family, name)):
            return None
        bounds = list(getattr(family, name))
        bounds[place] = _NEVER if value is None else value
        return replace(family, **{name: tuple(bounds)})
    if rule in _SWITCHES and rule in names:
        return replace(family, **{rule: bool(value)})
    for name in (rule, f"min_{rule}", f"max_{rule}"):
        if name in names and name.startswith(("min_", "max_")) and name not in _LISTS:
            old = getattr(family, name)
            if isinstance(old, int) and value is not None and value != int(value):
                raise ParameterError(
                    f"clean: the threshold of {rule!r} counts things, {value} does not", hint="Give an integer."
                )
            return replace(family, **{name: int(value) if isinstance(old, int) and value is not None else value})
    return None
