"""The structure of a text: headings, paragraphs, lists and code, each with its character span.

Reads what plain-text documents use: Markdown headings (`## Title`), underlined ones (Setext and reStructuredText,
`====`), a line that is bold as a whole, and manual-page headings (a line in capitals over indented text). Not a
Markdown parser: it only has to find spans that are whole, and it works on any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "paragraph", "list", "code"]

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r"([=\-~^\"'`+#*])\1{2,}[ \t]*$")
_BOLD = re.compile(r" {0,3}(?:\*\*|__)([^*_\n]{2,100})(?:\*\*|__)[ \t]*:?[ \t]*$")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 /&,()'-]{2,60}$")
_RULE = re.compile(r"[ \t]*([*_\-=])(?:[ \t]*\1){2,}[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[*+•–-]|\d{1,3}[.)])[ \t]+\S")
_FENCE = re.compile(r"[ \t]{0,3}(```|~~~)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_NUMBERING = re.compile(r"(?:#?\d{1,3}(?:\.\d{1,3})*[.):]?|[IVX]{1,4}\.|[A-H][.)])\s+(?=\S)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_LONGEST = 300  # characters of a line that may be a heading or a rule
_MARKUP = re.compile(r"[*_`]{1,3}")


@dataclass(frozen=True)
class Block:
    """A span of the text: characters `begin` up to `end`, without the white space around it.

    `title` is a heading's text without markup and numbering, `level` its depth (1 = highest); else "" and 0.
    """

    kind: Kind
    begin: int
    end: int
    title: str = ""
    level: int = 0


@dataclass(frozen=True)
class _Line:
    begin: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def end(self) -> int:
        return self.begin + len(self.text.rstrip())


def clean_title(raw: str) -> str:
    """A heading without markup, links, numbering and decoration, on one line; "" when no letter is left."""
    text = _MARKUP.sub("", _LINK.sub(r"\1", _ESCAPE.sub(r"\1", raw[:400])))
    text = " ".join(text.split())
    text = re.sub(r"^[^\w\"'“‘(]+", "", text)
    text = _NUMBERING.sub("", text, count=1) if _NUMBERING.match(text) else text
    text = re.sub(r"^[^\w\"'“‘(]+", "", text).rstrip(" :;,–—-")
    return text if any(char.isalpha() for char in text) else ""


def parse_blocks(text: str) -> list[Block]:
    """The blocks of a text in order; every character that is not white space, rule or underline is in one."""
    return list(_blocks(_lines(text)))


def _lines(text: str) -> list[_Line]:
    out, begin = [], 0
    for piece in text.split("\n"):
        out.append(_Line(begin, piece))
        begin += len(piece) + 1
    return out


def _blocks(lines: list[_Line]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.blank:
            at += 1
            continue
        heading = _heading(lines, at)
        if heading is not None:
            block, at = heading
            yield block
        elif _breaks(line.text):
            at += 1
        elif _FENCE.match(line.text):
            stop = _fence_end(lines, at)
            yield Block("code", line.begin, lines[stop - 1].end)
            at = stop
        else:
            kind: Kind = "list" if _ITEM.match(line.text) else "paragraph"
            stop = _list_end(lines, at) if kind == "list" else _paragraph_end(lines, at)
            indent = len(line.text) - len(line.text.lstrip())
            yield Block(kind, line.begin + indent, lines[stop - 1].end)
            at = stop


def _heading(lines: list[_Line], at: int) -> tuple[Block, int] | None:
    """The heading that starts at line `at` and the line after it, or None."""
    line = lines[at]
    if len(line.text) > _LONGEST:
        return None
    if atx := _ATX.match(line.text):
        return Block("heading", line.begin, line.end, clean_title(atx[2]), len(atx[1])), at + 1
    alone = at == 0 or lines[at - 1].blank or _UNDERLINE.match(lines[at - 1].text) is not None
    if not alone or at + 1 >= len(lines) or len(line.text) > 120:
        return None
    below = lines[at + 1].text
    mark = _UNDERLINE.match(below)
    if mark and len(below.strip()) >= len(line.text.strip()) - 2 and not _RULE.match(line.text):
        level = 1 if mark[1] in "=#*" else 2
        return Block("heading", line.begin, line.end, clean_title(line.text), level), at + 2
    if (bold := _BOLD.match(line.text)) and lines[at + 1].blank and bold[1].strip()[-1] not in ".,;":
        return Block("heading", line.begin, line.end, clean_title(bold[1]), 5), at + 1
    if _CAPITALS.match(line.text.rstrip()) and below[:1] in (" ", "\t") and below.strip():
        return Block("heading", line.begin, line.end, clean_title(line.text).capitalize(), 1), at + 1
    return None


def _breaks(text: str) -> bool:
    """Whether a line is a rule or a heading by its own marks."""
    return len(text) <= _LONGEST and (_RULE.match(text) or _ATX.match(text)) is not None


def _fence_end(lines: list[_Line], at: int) -> int:
    fence = _FENCE.match(lines[at].text)
    mark = fence[1] if fence else "```"
    for stop in range(at + 1, len(lines)):
        if lines[stop].text.strip() == mark:
            return stop + 1
    return len(lines)


def _paragraph_end(lines: list[_Line], at: int) -> int:
    stop = at + 1
    while stop < len(lines) and not lines[stop].blank:
        text = lines[stop].text
        if _breaks(text) or _FENCE.match(text) or _ITEM.match(text):
            break
        stop += 1
    return stop


def _list_end(lines: list[_Line], at: int) -> int:
    """A list goes on over blank lines while an item or an indented line follows."""
    stop = last = at + 1
    while stop < len(lines):
        text = lines[stop].text
        if lines[stop].blank:
            stop += 1
            continue
        after_blank = lines[stop - 1].blank
        if _breaks(text) or (_FENCE.match(text) and not text.startswith(" ")):
            break
        if after_blank and not _ITEM.match(text) and not text.startswith(("  ", "\t")):
            break
        stop += 1
        last = stop
    return last
