"""What kind of document a row is, by what it says of itself: a post, code or an article; and how it is marked up.

Names decide, lengths do not: a short article is one chunk anyway, and a post by its platform is one however long.

    post      `meta` names a type, category or platform of posts (linkedin, x, mastodon, ...)
    code      the file the row came from, or a path in `meta`, ends like source code; or `meta` says so
    article   everything else
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

Kind = Literal["post", "code", "article"]
Markup = Literal["plain", "markdown", "html"]

LANGUAGES: Mapping[str, str] = {
    ".py": "python", ".js": "javascript", ".jsx": "javascript", ".mjs": "javascript", ".ts": "typescript",
    ".tsx": "tsx", ".java": "java", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cs": "csharp",
    ".go": "go", ".rs": "rust", ".rb": "ruby", ".php": "php", ".swift": "swift", ".kt": "kotlin", ".scala": "scala",
    ".sh": "bash", ".sql": "sql", ".lua": "lua", ".r": "r", ".jl": "julia", ".hs": "haskell", ".ml": "ocaml",
    ".ex": "elixir", ".pl": "perl", ".zig": "zig", ".cu": "cuda", ".dart": "dart",
}  # fmt: skip
"""Endings of source code, and the names that tree-sitter knows the languages by."""

_POSTS = frozenset({"post", "posts", "tweet", "tweets", "status", "toot", "linkedin", "twitter", "x", "mastodon"})
_POSTS |= {"bluesky", "threads", "x.com", "twitter.com", "linkedin.com", "www.linkedin.com", "bsky.app"}
_CODE = frozenset({"code", "repository", "repositories", "source_code", "repo", "github repository"})
_KEYS = ("type", "category", "kind", "platform", "data_category")
_PATHS = ("path", "file", "filename", "file_path", "filepath")
_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_RULE = re.compile(r"^(?:=|-){3,}[ \t]*$", re.MULTILINE)
_TAGS = re.compile(r"<(?:!doctype\s+html|html|body|article|section|div|p|h[1-6]|ul|ol|table)\b[^<>]{0,300}>", re.I)


def kind_of(source: str, meta: Mapping[str, Any]) -> Kind:
    """The kind of a row by its source file and its other fields."""
    said = {str(meta[key]).strip().lower() for key in _KEYS if isinstance(meta.get(key), str)}
    if said & _CODE or code_language(source, meta) is not None:
        return "code"
    return "post" if said & _POSTS else "article"


def code_language(source: str, meta: Mapping[str, Any]) -> str | None:
    """The programming language by the ending of the file's name; None = it is no source code."""
    return next((LANGUAGES[end] for end in _endings(source, meta) if end in LANGUAGES), None)


def _endings(source: str, meta: Mapping[str, Any]) -> Iterator[str]:
    for name in (*(meta.get(key) for key in _PATHS), source):
        if isinstance(name, str):
            yield PurePosixPath(name).suffix.lower()


def markup_of(text: str, source: str = "") -> Markup:
    """How a text is marked up: by its file's ending, else by two block tags or one heading in it."""
    end = PurePosixPath(source).suffix.lower()
    if end in (".html", ".htm", ".xhtml") or len(_TAGS.findall(text, 0, 200_000)) >= 2:
        return "html"
    if end in (".md", ".markdown", ".mdx") or _HEADING.search(text) or _RULE.search(text):
        return "markdown"
    return "plain"
