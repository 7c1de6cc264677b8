"""Fields by dotted path, and finding the field that holds the text by looking at names and contents."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpusmith.sources.names import ASIDE_NAMES, TEXT_NAMES, folded

_DEPTH = 6
_LINK = re.compile(r"^\s*(?:https?://|www\.|/|[A-Za-z]:\\)\S*\s*$")
_CODE = re.compile(r"^\s*[0-9a-fA-F-]{16,}\s*$|^\s*[\d\W_]+\s*$|^\s*[A-Za-z0-9+/=_-]{40,}\s*$")
_CJK = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class _Missing:
    """Type of `MISSING`."""


MISSING = _Missing()
"""Stands for a field that is not there (None is a field that is null)."""


def get(record: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted `path`: a field of that very name, else through objects and list positions; or MISSING."""
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
    return value


def take(record: dict[str, Any], path: str) -> Any:
    """Like `get`, and the field is removed, with objects that become empty by it. List items stay where they are."""
    if path in record:
        return record.pop(path)
    key, _, rest = path.partition(".")
    inner = record.get(key)
    if not rest or not isinstance(inner, dict):
        return get(record, path)
    value = take(inner, rest)
    if not inner:
        del record[key]
    return value


def leaves(record: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every (dotted path, value) of a record that is not an object; lists are leaves."""
    for key, value in record.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and depth < _DEPTH:
            yield from leaves(value, f"{path}.", depth + 1)
        else:
            yield path, value


def paths_of(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every dotted path in `records`, in order of first appearance."""
    return list(dict.fromkeys(path for record in records for path, _ in leaves(record)))


def resolve(name: str, paths: Sequence[str]) -> str | None:
    """The path a person means by `name`: that path, else the only one equal to it, or ending in it, whatever the case.

    An inner node (`messages`, `content`) counts as a path. None when there is no such path or more than one.
    """
    inner = {path[:at] for path in paths for at in (i for i, char in enumerate(path) if char == ".")}
    known = dict.fromkeys([*paths, *sorted(inner)])
    if name in known or any(path.startswith(f"{name}.") for path in known):
        return name
    wanted = name.lower()
    for match in (
        [path for path in known if path.lower() == wanted],
        [path for path in paths if path.lower().endswith(f".{wanted}")],
    ):
        if len(match) == 1:
            return match[0]
    return None


def there_are(name: str, paths: Sequence[str]) -> str:
    """A hint for a column that is not there: the columns that are, and the closest name."""
    shown = ", ".join(paths[:30]) + (", …" if len(paths) > 30 else "")
    folded_paths = {path.lower(): path for path in paths} | {path.rsplit(".", 1)[-1].lower(): path for path in paths}
    close = difflib.get_close_matches(name.lower(), list(folded_paths), 1)
    guess = f" Did you mean {folded_paths[close[0]]}?" if close else ""
    return f"There are: {shown}.{guess}"


@dataclass(frozen=True)
class TextColumn:
    """A column that may hold the text.

    Attributes:
        path: Dotted path.
        score: Higher is likelier.
        mean_chars: Mean length of its strings.
        named: Whether its name says text.
    """

    path: str
    score: float
    mean_chars: float
    named: bool


def text_columns(records: Sequence[Mapping[str, Any]]) -> list[TextColumn]:
    """Columns of `records` that hold natural language, the likeliest first.

    The score is the mean length (log2), raised for a name such as `text` or `content`, lowered for one such as `title`
    or `url`. Left out are columns that are seldom strings, links, codes, numbers and dates, and labels (few words,
    few distinct values) unless the name says text.
    """
    values: dict[str, list[str]] = {}
    for record in records:
        for path, value in leaves(record):
            if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
                value = "\n\n".join(value)  # noqa: PLW2901 - a list of paragraphs
            if isinstance(value, str):
                values.setdefault(path, []).append(value)
    found = [column for path, texts in values.items() if (column := _judge(path, texts, len(records)))]
    return sorted(found, key=lambda column: (-column.score, column.path))


def _judge(path: str, texts: list[str], records: int) -> TextColumn | None:
    name = folded(path.rsplit(".", 1)[-1])
    named = name in TEXT_NAMES
    filled = [text[:20000] for text in texts if text.strip()]
    mean = sum(map(len, filled)) / len(filled) if filled else 0.0
    if not named:
        prose = sum(map(_is_prose, filled))
        label = len(filled) >= 20 and len(set(filled)) < 0.1 * len(filled) and mean < 80
        if not filled or prose < 0.5 * len(filled) or label or len(texts) < 0.2 * records:
            return None
    weight = 4.0 if named else -3.0 if name in ASIDE_NAMES else 0.0
    share = math.log2(max(len(texts) / records, 1e-3))
    return TextColumn(path, math.log2(1.0 + mean) + weight + share, mean, named)


def _is_prose(text: str) -> bool:
    """Whether a string reads like words: no link, code or number, and several words (or a script without spaces)."""
    if _LINK.match(text) or _CODE.match(text):
        return False
    head = text[:2000]
    letters = sum(char.isalpha() for char in head)
    return letters >= 0.4 * len(head) and (len(head.split()) >= 3 or len(_CJK.findall(head)) >= 6)
