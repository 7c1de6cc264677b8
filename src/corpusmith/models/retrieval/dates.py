"""Dates as numbers that can be compared: 20240729 for a day, 20240700 for a month, 20240000 for a year."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_ISO = re.compile(r"\s*(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?(?:[T\s].*)?\s*", re.DOTALL)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_EARLIEST, _LATEST = 1000, 2999
_SECONDS = 100_000_000


def date_number(value: Any) -> int | None:
    """A date as it stands in a row, as a number; None = it is none.

    Takes a year, ISO 8601 and dates that begin like it, `20240729`, the dates of mails and feeds, and Unix seconds or
    milliseconds (from 1973 on).
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if float(value).is_integer() and _EARLIEST <= value <= _LATEST:
            return int(value) * 10_000
        return _of_seconds(float(value))
    text = str(value).strip()
    if found := _COMPACT.fullmatch(text) or _ISO.fullmatch(text):
        return _number(int(found[1]), int(found[2] or 0), int(found[3] or 0))
    if text.isdecimal():
        return _of_seconds(float(text))
    try:
        day = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return _number(day.year, day.month, day.day)


def date_text(number: int) -> str:
    """A number of `date_number` as it is written, `2024-07-29`."""
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    return f"{year:04d}" + (f"-{month:02d}" if month else "") + (f"-{day:02d}" if day else "")


def span_of(value: Any) -> tuple[int, int] | None:
    """The first and the last number that lie in a day, month or year; None = it is no date."""
    number = date_number(value)
    if number is None:
        return None
    if number % 100:
        return number, number
    return number, number + (99 if number // 100 % 100 else 9999)


def _of_seconds(value: float) -> int | None:
    seconds = value / 1000 if value > 1e11 else value
    if not _SECONDS <= seconds < 1e11:
        return None
    day = datetime.fromtimestamp(seconds, UTC)
    return _number(day.year, day.month, day.day)


def _number(year: int, month: int, day: int) -> int | None:
    if not (_EARLIEST <= year <= _LATEST and month <= 12 and day <= 31):
        return None
    return year * 10_000 + month * 100 + day
