"""What a row says of itself beside its text: author, platform, date to filter on, title and address to cite it by.

Found in `meta` by the names that people give such fields, at any depth; a caller may name the path instead, or add a
field of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.models.retrieval.dates import date_number

MOST_VALUES = 1000
"""Different values that a field to filter on may have."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "headline", "subject", "name"),
    "url": ("url", "link", "permalink", "href", "web_url", "source_url"),
    "author": (
        "author_full_name", "author_name", "author", "authors", "byline", "creator", "username", "user_name",
        "screen_name",
    ),
    "platform": ("platform", "site_name", "publication", "publisher", "site", "website", "domain"),
    "date": (
        "date", "published", "published_at", "publication_date", "date_published", "published_date", "pubdate",
        "created_at", "created", "timestamp", "updated_at", "year",
    ),
}  # fmt: skip
_FILTERS = ("author", "platform", "date")


class FieldInfo(BaseModel):
    """One field that may be filtered on.

    Attributes:
        kind: `keyword` = one of its values, `date` = a span of them.
        path: Where it stands in `meta`.
        values: Value to rows, the most frequent first; empty for dates.
        low: Earliest date, as a number.
        high: Latest.
        rows: Documents that have it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    path: str
    values: dict[str, int] = Field(default_factory=dict)
    low: int | None = None
    high: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class About:
    """What one row says of itself. `filters` holds text, or a number for a date."""

    title: str = ""
    url: str = ""
    filters: Mapping[str, str | int] = field(default_factory=dict)


@dataclass
class FieldFinder:
    """Reads `meta` of row after row, and knows in the end which fields there are.

    Args:
        named: Field to its path in `meta`, where the caller knows better.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    _values: dict[str, dict[str | int, int]] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)

    def read(self, meta: str | None, source: str = "") -> About:
        """What a row's `meta` (JSON) says; its source file's name stands in for a title."""
        flat = dict(_flat(json.loads(meta) if meta else {}))
        found: dict[str, tuple[str, Any]] = {}
        for role, names in _NAMES.items():
            hit = self._named(role, flat) if role in self.named else _by_name(flat, names)
            if hit is not None:
                found[role] = hit
        for role in set(self.named) - set(_NAMES):
            hit = self._named(role, flat)
            if hit is not None:
                found[role] = hit
        url = str(found["url"][1]).strip() if "url" in found else ""
        if "platform" not in found and (host := urlsplit(url).hostname if "://" in url else None):
            found["platform"] = (found["url"][0], host.removeprefix("www."))
        title = str(found["title"][1]).strip() if "title" in found else source.rpartition("/")[2]
        return About(" ".join(title.split())[:300], url, self._filters(found))

    def fields(self) -> dict[str, FieldInfo]:
        """The fields found that can be filtered on: none where nearly every document has a value of its own."""
        out = {}
        for role, counts in sorted(self._values.items()):
            rows = sum(counts.values())
            if role == "date":
                days = [value for value in counts if isinstance(value, int)]
                out[role] = FieldInfo(kind="date", path=self._paths[role], low=min(days), high=max(days), rows=rows)
            elif role in self.named or len(counts) <= max(MOST_VALUES, rows // 2):
                ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
                values = {str(value): count for value, count in ranked[:MOST_VALUES]}
                out[role] = FieldInfo(kind="keyword", path=self._paths[role], values=values, rows=rows)
        return out

    def _named(self, role: str, flat: Mapping[str, Any]) -> tuple[str, Any] | None:
        path = self.named[role]
        return (path, flat[path]) if flat.get(path) not in (None, "") else None

    def _filters(self, found: Mapping[str, tuple[str, Any]]) -> dict[str, str | int]:
        out: dict[str, str | int] = {}
        for role in (*_FILTERS, *sorted(set(self.named) - set(_NAMES))):
            if role not in found:
                continue
            path, raw = found[role]
            value = date_number(raw) if role == "date" else " ".join(str(raw).split())[:200]
            if value is None or value == "":
                continue
            out[role] = value
            counts = self._values.setdefault(role, {})
            counts[value] = counts.get(value, 0) + 1
            self._paths.setdefault(role, path)
        return out


def _by_name(flat: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any] | None:
    for name in names:
        for path, value in flat.items():
            if path.rpartition(".")[2].lower() == name and value not in (None, "") and not isinstance(value, bool):
                return path, value
    return None


def _flat(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Dotted path to plain value; a list of plain values counts by its first."""
    if isinstance(value, dict) and depth < 5:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list) and value and isinstance(value[0], str | int | float):
        yield path, value[0]
    elif isinstance(value, str | int | float):
        yield path, value
