"""Filters: as a caller names them, and as a question does.

A caller's filter must be on a field of the index; an unknown field is an error that lists them. A question's is taken
only when the index has the very value:

    author     the full name; or a last name that is one author's alone, after "by", "from" or "according to", or before
               's, says, writes, wrote, thinks
    platform   its name after "on", "from", "in", "at" or "via"
    others     (fields that the index's builder named) like platform
    date       a year, a month with its year or a day, after in, from, of, during, since, after, before, until, between

What a question takes as a filter is no longer searched for. Nothing but the question is read, never a passage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpusmith.core.errors import ParameterError
from corpusmith.models.retrieval.dates import date_text, span_of
from corpusmith.models.retrieval.fields import FieldInfo
from corpusmith.models.retrieval.store import Where

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sep sept", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_DATE = rf"(?:(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?\s+)?(?:19|20)\d\d(?:-\d\d(?:-\d\d)?)?"
_BETWEEN = re.compile(rf"\b(?:between|from)\s+({_DATE})\s+(?:and|to|until)\s+({_DATE})\b", re.IGNORECASE)
_SINGLE = re.compile(rf"\b(in|from|of|during|since|after|before|until)\s+({_DATE})\b", re.IGNORECASE)
_NAME = r"([A-ZÀ-Þ][\w.'-]+(?:\s+[A-ZÀ-Þ][\w.'-]+){1,2})"
_NAMED = re.compile(
    rf"\b(?:by|according to)\s+{_NAME}|\b(?:did|does)\s+{_NAME}\s+(?:write|say|think|recommend|explain)\b"
)
_SAYS = r"(?:says?|said|writes?|wrote|written|thinks?|argues?|recommends?|suggests?|explains?)"
_ALL_TIME = (0, 99_999_999)


@dataclass(frozen=True)
class Asked:
    """A question with its filters taken out.

    Attributes:
        words: What is searched for.
        where: Conditions.
        filters: Field to value, as they are told to the caller.
        notes: What could not be had.
    """

    words: str
    where: tuple[Where, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def given_filters(filters: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> Asked:
    """A caller's filters: a value or several per field; for a date also `{"from": ..., "to": ...}`.

    Raises:
        ParameterError: A field is not in the index, or a value cannot be one of it.
    """
    where, told, notes = [], {}, []
    for name, value in filters.items():
        if value is None:
            continue
        info = fields.get(name)
        if info is None:
            raise ParameterError(
                f"the index has no field {name!r} to filter on",
                hint=f"It has: {', '.join(sorted(fields)) or 'none'}.",
                field=name,
            )
        if info.kind == "date":
            low, high = _span(name, value)
            where.append(Where(name, low=low, high=high))
            told[name] = _told(low, high)
            continue
        values = _values(name, value, info)
        unknown = [one for one in values if one not in info.values]
        if unknown:
            notes.append(f"no {name} {unknown[0]!r} in the index")
        where.append(Where(name, any_of=tuple(values)))
        told[name] = values[0] if len(values) == 1 else list(values)
    return Asked("", tuple(where), told, tuple(notes))


def filters_in(question: str, fields: Mapping[str, FieldInfo], taken: Sequence[str] = ()) -> Asked:
    """What a question filters on.

    Args:
        question: As it was asked.
        fields: Of the index.
        taken: Fields that the caller filters on already.
    """
    words, where, told, notes = question, list[Where](), dict[str, Any](), list[str]()
    for name, info in fields.items():
        if name in taken or info.kind == "date":
            continue
        hits = [(value, spans) for value in info.values if (spans := list(_mentions(question, name, value, info)))]
        if not hits:
            continue
        values = [value for value, _ in hits]
        where.append(Where(name, any_of=tuple(values)))
        told[name] = values[0] if len(values) == 1 else values
        words = _without(words, [question[start:end] for _, spans in hits for start, end in spans])
    if "author" not in taken and "author" not in told:
        found = _NAMED.search(question)
        if found and "author" in fields:
            notes.append(f"no author {(found[1] or found[2])!r} in the index")
        elif found:
            notes.append("the index does not say who wrote what")
    words = _dates(words, fields, taken, where, told, notes)
    return Asked(words if words.strip(" ?.!,") else question, tuple(where), told, tuple(notes))


def _dates(
    words: str,
    fields: Mapping[str, FieldInfo],
    taken: Sequence[str],
    where: list[Where],
    told: dict[str, Any],
    notes: list[str],
) -> str:
    named = _between(words)
    if named is None or "date" in taken:
        return words
    phrase, low, high = named
    info = fields.get("date")
    if info is None or info.low is None or info.high is None:
        notes.append(f"the question says {phrase!r}, but the index has no dates")
        return words
    if high < info.low or low > info.high:
        notes.append(
            f"nothing in the index is from then: it reaches from {date_text(info.low)} to {date_text(info.high)}"
        )
        return words
    where.append(Where("date", low=low, high=high))
    told["date"] = _told(low, high)
    return _without(words, [phrase])


def _between(words: str) -> tuple[str, int, int] | None:
    """The dates that a question names: the words, the first and the last number."""
    found = _BETWEEN.search(words)
    if found:
        first, last = _date(found[1]), _date(found[2])
        return None if first is None or last is None else (found.group(), first[0], last[1])
    found = _SINGLE.search(words)
    span = _date(found[2]) if found else None
    if found is None or span is None:
        return None
    low, high = span
    bounds = {
        "since": (low, _ALL_TIME[1]),
        "after": (high + 1, _ALL_TIME[1]),
        "before": (_ALL_TIME[0], low - 1),
        "until": (_ALL_TIME[0], high),
    }
    return found.group(), *bounds.get(found[1].lower(), span)


def _date(text: str) -> tuple[int, int] | None:
    word, _, rest = text.strip().rpartition(" ")
    month = _MONTHS.get(word.strip(" .").lower())
    return span_of(f"{rest}-{month:02d}" if month else rest)


def _mentions(question: str, name: str, value: str, info: FieldInfo) -> Iterator[tuple[int, int]]:
    exact = re.escape(value)
    if name == "author":
        yield from _spans(rf"(?:\b(?:by|from|of|according to)\s+)?(?<!\w){exact}(?!\w)(?:['’]s\b)?", question)
        last = value.rsplit(None, 1)[-1]
        alone = sum(other.rsplit(None, 1)[-1].casefold() == last.casefold() for other in info.values) == 1
        if alone and last != value and len(last) >= 3:
            last = re.escape(last)
            yield from _spans(rf"\b(?:by|from|according to)\s+{last}(?!\w)", question)
            yield from _spans(rf"(?<!\w){last}(?:['’]s\b|(?=\s+{_SAYS}\b))", question)
        return
    yield from _spans(rf"\b(?:on|from|in|at|via)\s+(?:the\s+)?{exact}(?!\w|\.\w)", question)


def _spans(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in re.finditer(pattern, text, re.IGNORECASE))


def _without(words: str, phrases: Sequence[str]) -> str:
    for phrase in sorted(phrases, key=len, reverse=True):
        words = words.replace(phrase, " ")
    return " ".join(words.split())


def _values(name: str, value: Any, info: FieldInfo) -> list[str]:
    many = value if isinstance(value, list | tuple) else [value]
    if not many or not all(isinstance(one, str | int | float) for one in many):
        raise ParameterError(f"the filter {name} holds no text", hint="Give one value, or a list of them.", field=name)
    by_fold = {known.casefold(): known for known in info.values}
    return [by_fold.get(str(one).casefold(), str(one)) for one in many]


def _span(name: str, value: Any) -> tuple[int, int]:
    ends: tuple[Any, Any] = (value, value)
    if isinstance(value, Mapping):
        unknown = set(value) - {"from", "to"}
        if unknown:
            raise ParameterError(f"the filter {name} holds {sorted(unknown)[0]!r}", hint="It takes from and to.")
        ends = (value.get("from"), value.get("to"))
    elif isinstance(value, list | tuple) and len(value) == 2:
        ends = (value[0], value[1])
    low, high = (None if end is None else span_of(end) for end in ends)
    if (low is None and ends[0] is not None) or (high is None and ends[1] is not None):
        raise ParameterError(
            f"the filter {name} is no date: {value!r}",
            hint="Write 2024, 2024-07, 2024-07-29 or from and to.",
            field=name,
        )
    return (_ALL_TIME[0] if low is None else low[0]), (_ALL_TIME[1] if high is None else high[1])


def _told(low: int, high: int) -> Any:
    if low // 10_000 == high // 10_000 and low % 10_000 == 0 and high % 10_000 == 9999:
        return date_text(low)
    last = high - high % 10_000 if high % 10_000 == 9999 else high - high % 100 if high % 100 == 99 else high
    ends = {"from": None if low <= 0 else date_text(low), "to": None if high >= _ALL_TIME[1] else date_text(last)}
    return {name: end for name, end in ends.items() if end is not None}
