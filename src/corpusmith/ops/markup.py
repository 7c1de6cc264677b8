"""HTML remains in text: find them, and turn them into text.

A remain is markup that wraps prose: a known tag that is closed again, carries attributes, breaks a line or opens one,
a comment, or a character entity. What only speaks of markup is left alone: fenced, indented and inline code, quoted
tags, interpreter sessions, generics (`List<int>`), comparisons (`a < b and c > d`), placeholders (`<file>`).

`find_remains` decides for both the count and the removal, so that a stripped text has no remains. The text keeps its
paragraphs, lists, table cells and preformatted blocks (as Markdown); scripts and styles go; words are never glued.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from corpusmith.ops.rewriting import rewrite


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCK = _words(
    "p div section article header footer main nav aside ul ol li dl dt dd table thead tbody tfoot tr td th caption "
    "colgroup col h1 h2 h3 h4 h5 h6 blockquote pre br hr form fieldset figure figcaption html head body title script "
    "style noscript iframe svg button select option textarea video audio canvas template address details"
)
_INLINE = _words(
    "a b i u s em strong span small big sub sup code kbd samp var tt cite q abbr mark font del ins strike img input "
    "label meta link base source center nobr wbr time"
)
NAMES = _BLOCK | _INLINE
_VOID = _words("br hr img input meta link base source col wbr")
_OPENS_A_LINE = _words("p div li td th tr dd dt h1 h2 h3 h4 h5 h6 ul ol table blockquote")
_ATTRIBUTES = r"(?:\s+[A-Za-z_:@][\w:.@-]*(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=`]+))?)*\s*"
_TAG = re.compile(rf"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<attributes>{_ATTRIBUTES})(?P<void>/?)>")
_COMMENT = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.S)
_DOCTYPE = re.compile(r"<!DOCTYPE\s[^<>]*>", re.I)
_OPENS_DROPPED = re.compile(r"<(script|style|noscript|template|svg|iframe|head)\b[^<>]*>", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_INLINE_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^`\n]{1,300}(?:\n[^`\n]{1,300})?\1(?!`)")
_FENCED = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n.*?(?:^[ \t]*\1[ \t]*$|\Z)", re.S | re.M)
_QUOTED = re.compile(
    r"['\"‘“](?:&[#\w]+;|</?[A-Za-z][^<>\n]{0,80}>)['\"’”]"
    r"|(?:[=(,\[{:]\s?|^[ \t]*)[bfru]{0,2}['\"](?=[^'\"\n]{0,60}<[A-Za-z!/])[^\n]{0,400}$",
    re.M,
)
_TRIPLE = re.compile(r"(?:[=(,]\s?|^[ \t]*)[bfru]{0,2}(\"{3}|'{3}).{1,4000}?\1", re.S | re.M)
_SESSION = re.compile(r"^[ \t]*>>> [^\n]*(?:\n[ \t]*\S[^\n]*)*|^[ \t]*(?:In \[\d+\]:|[$#%] )[^\n]*$", re.M)
_INDENT = re.compile(r"^(?: {3,}|\t)", re.M)
_PROSE = re.compile(r"(?:[A-Za-zÀ-ɏ'’]{2,}[,;]? ){6}")
_WHOLE = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!doctype\s+html|<html[\s>])", re.I | re.S)


_MOST_PASSES = 16  # markup escaped more often than this is no accident
_SEAM, _HARD_SPACE = "\ufdd0", "\ufdd1"


@dataclass(frozen=True)
class Remain:
    """One place of markup: characters `start` to `end`; `name` of the tag, `!` for a comment, `&` for an entity."""

    start: int
    end: int
    name: str
    close: bool = False


def find_remains(text: str) -> list[Remain]:
    """Every tag, comment and entity of `text` that is a remain of HTML, in order."""
    has_tags = "<" in text and ">" in text
    has_entities = "&" in text and ";" in text
    if not has_tags and not has_entities:
        return []
    tags = _candidate_tags(text) if has_tags else []
    entities = [Remain(*match.span(), "&") for match in _ENTITY.finditer(text) if _known(match)] if has_entities else []
    if not tags and not entities:
        return []
    protected = _Protected(text, {remain.start for remain in tags})
    dropped = [element for element in _dropped_elements(text) if not protected.covers(element.start)]
    tags = [tag for tag in tags if not protected.covers(tag.start)]
    kept = dropped + _with_evidence(text, _outside(tags, dropped))
    kept += [entity for entity in _outside(entities, dropped) if not protected.covers(entity.start)]
    return sorted(kept, key=lambda remain: remain.start)


def _dropped_elements(text: str) -> list[Remain]:
    """Scripts, styles and the like with all that is in them; one without attributes must look like code inside."""
    elements: list[Remain] = []
    unclosed: set[str] = set()
    for match in _OPENS_DROPPED.finditer(text):
        name = match.group(1).lower()
        if name in unclosed or (elements and match.start() < elements[-1].end):
            continue
        closer = re.compile(rf"</{name}\s*>", re.I).search(text, match.end())
        if closer is None:
            unclosed.add(name)
        elif "=" in match.group() or re.search(r"[{;=<(]", text[match.end() : closer.start()]):
            elements.append(Remain(match.start(), closer.end(), name))
    return elements


def _outside(remains: list[Remain], dropped: list[Remain]) -> list[Remain]:
    if not dropped:
        return remains
    return [remain for remain in remains if not any(gone.start <= remain.start < gone.end for gone in dropped)]


def _known(match: re.Match[str]) -> bool:
    return html.unescape(match.group()) != match.group()


def _candidate_tags(text: str) -> list[Remain]:
    tags = []
    if "<!" in text:
        last = max(text.rfind("-->"), text.rfind("]]>")) + 3
        tags += [Remain(*match.span(), "!") for match in _COMMENT.finditer(text, 0, last)]
        tags += [Remain(*match.span(), "!") for match in _DOCTYPE.finditer(text)]
    for match in _TAG.finditer(text):
        name = match.group("name")
        if (name.islower() or name.isupper()) and (name := name.lower()) in NAMES:
            tags.append(Remain(*match.span(), name, bool(match.group("close"))))
    return sorted(tags, key=lambda tag: tag.start)


def _with_evidence(text: str, tags: list[Remain]) -> list[Remain]:
    """The tags that wrap something: closed ones with their closers, ones with attributes, ones that break lines."""
    paired: set[int] = set()
    stack: list[int] = []
    for index, tag in enumerate(tags):
        if tag.name == "!" or tag.name in _VOID:
            continue
        if not tag.close:
            if tag.name != "a" or "=" in text[tag.start : tag.end]:
                stack.append(index)
            continue
        for place in range(len(stack) - 1, max(-1, len(stack) - 12), -1):
            if tags[stack[place]].name == tag.name:
                paired |= {index, stack[place]}
                del stack[place:]
                break
    kept: list[Remain] = []
    for index, tag in enumerate(tags):
        sign = text[tag.start : tag.end]
        if (
            index in paired
            or tag.name == "!"
            or "=" in sign
            or sign.endswith("/>")
            or _stands_alone(text, tag, kept[-1] if kept else None)
        ):
            kept.append(tag)
    return kept


def _stands_alone(text: str, tag: Remain, before: Remain | None) -> bool:
    """Whether a tag without partner or attributes is a remain all the same, and not spoken of ("the <p> tag")."""
    left, right = text[max(0, tag.start - 1) : tag.start], text[tag.end : tag.end + 1]
    touches_tag = before is not None and not text[before.end : tag.start].strip()
    if tag.close:
        return touches_tag or left.strip() != "" or right in ("", "\n")
    at_line_start = left in ("", "\n")
    if tag.name in ("br", "hr", "wbr"):
        return touches_tag or right in ("", "\n") or (left.strip() != "" and right.strip() != "") or at_line_start
    glued = bool(right.strip()) and right not in ".,;:)]'\"`<"
    bare = " " not in text[tag.start : tag.end]
    return (
        bare
        and tag.name in _OPENS_A_LINE
        and glued
        and (at_line_start or touches_tag or left in (" ", ">", ".", "!", "?"))
    )


class _Protected:
    """Stretches of a text in which markup is only spoken of."""

    def __init__(self, text: str, tag_starts: set[int]) -> None:
        spans = [match.span() for match in _FENCED.finditer(text)] if "```" in text or "~~~" in text else []
        if "`" in text:
            spans += [match.span() for match in _INLINE_CODE.finditer(text)]
        if any(mark in text for mark in "\"'“‘"):
            spans += [match.span() for match in _QUOTED.finditer(text)]
            spans += [match.span() for match in _TRIPLE.finditer(text)]
        spans += [match.span() for match in _SESSION.finditer(text)]
        if _INDENT.search(text):
            spans += _indented_code(text, tag_starts)
        self._spans = _merged(spans)

    def covers(self, place: int) -> bool:
        """Whether the character at `place` lies in a protected stretch."""
        low, high = 0, len(self._spans)
        while low < high:
            middle = (low + high) // 2
            if self._spans[middle][1] <= place:
                low = middle + 1
            else:
                high = middle
        return low < len(self._spans) and self._spans[low][0] <= place


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _indented_code(text: str, tag_starts: set[int]) -> list[tuple[int, int]]:
    """Indented blocks that are code: what they hang under has no tags, and no prose stands between their tags."""
    spans: list[tuple[int, int]] = []
    block_start, block_end, owner_has_tag = -1, -1, False
    last_has_tag, place = False, 0
    for line in text.split("\n"):
        end = place + len(line)
        if line.strip():
            if line.startswith(("   ", "\t")):
                if block_start < 0:
                    block_start, owner_has_tag = place, last_has_tag
                block_end = end
            else:
                if block_start >= 0 and not owner_has_tag and not _is_prose(text[block_start:block_end]):
                    spans.append((block_start, block_end))
                block_start = -1
                last_has_tag = any(place + offset in tag_starts for offset in _starts(line))
        place = end + 1
    if block_start >= 0 and not owner_has_tag and not _is_prose(text[block_start:block_end]):
        spans.append((block_start, block_end))
    return spans


def _starts(line: str) -> list[int]:
    return [match.start() for match in re.finditer("<", line)]


def _is_prose(block: str) -> bool:
    return bool(_PROSE.search(re.sub(r"<[^<>]*>", " ", block)))


def strip_html(text: str) -> tuple[str, int]:
    """`text` with its HTML remains turned into text, and how many remains there were.

    A whole document goes through trafilatura for its main text, unless that would lose most of it. Stripping a
    stripped text changes nothing.
    """
    remains = find_remains(text)
    if not remains:
        return text, 0
    count = len(remains)
    if _WHOLE.match(text):
        main = _main_text(text)
        if main:
            text, remains = main, find_remains(main)
    for _ in range(_MOST_PASSES):
        text = _strip_once(text, remains)
        remains = find_remains(text)
        if not remains:
            break
    return text, count


def _main_text(page: str) -> str:
    """The main text of a whole document, or an empty text when it has none worth the name."""
    import trafilatura
    from selectolax.lexbor import LexborHTMLParser

    main = trafilatura.extract(page, favor_recall=True, include_comments=False, include_tables=True) or ""
    tree = LexborHTMLParser(page)
    tree.strip_tags(["script", "style", "noscript", "head", "nav", "header", "footer", "aside", "form"])
    everything = tree.body.text(separator=" ") if tree.body else ""
    return main if len(main.split()) >= 0.3 * len(everything.split()) else ""


def _strip_once(text: str, remains: list[Remain]) -> str:
    pieces, last, inside_pre = [], 0, False
    for index, remain in enumerate(remains):
        if remain.start < last:
            continue
        pieces.append(text[last : remain.start])
        last = remain.end
        if remain.name == "pre":
            inside_pre = not remain.close
            pieces.append("\n\n```\n" if inside_pre else "\n```\n\n")
        elif remain.name == "&":
            pieces.append(html.unescape(text[remain.start : remain.end]).replace("\u00a0", _HARD_SPACE))
        else:
            following = remains[index + 1] if index + 1 < len(remains) else None
            touching = following is not None and following.start == remain.end and following.name != "&"
            pieces.append(_as_text(remain, touching, inside_pre))
    return _tidy("".join([*pieces, text[last:]]))


_TEXT_OF: dict[str, tuple[str, str]] = {
    "li": ("\n- ", ""),
    "td": ("", "\t"),
    "th": ("", "\t"),
    "br": ("\n", "\n"),
    "hr": ("\n\n", "\n\n"),
    "tr": ("\n", ""),
    "dt": ("\n", ""),
    "dd": ("\n", ""),
    "option": ("\n", ""),
    "code": ("`", "`"),
}


def _as_text(remain: Remain, touching: bool, inside_pre: bool) -> str:
    if remain.name in _TEXT_OF:
        opened, closed = _TEXT_OF[remain.name]
        if remain.name == "code" and inside_pre:
            return ""
        return closed if remain.close else opened
    if remain.name == "!" or remain.name in _INLINE:
        return _SEAM if touching or remain.name in ("img", "input", "wbr", "!") else ""
    return "\n\n"


def _tidy(text: str) -> str:
    """Resolve seams (a space where two words would meet) and the blank lines that tags left behind."""
    text = re.sub(f" *{_HARD_SPACE}[ {_HARD_SPACE}{_SEAM}]*", " ", text)
    text = re.sub(f" {_SEAM}+(?=[ \n])", "", text)
    whole = text
    text = re.sub(f"{_SEAM}+", lambda match: " " if _between_words(whole, match) else "", whole)
    text = re.sub(r"\t+(?=\n|\Z)", "", text)
    text = re.sub(r"[ ]+(?=\n)", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _between_words(text: str, match: re.Match[str]) -> bool:
    return text[max(0, match.start() - 1) : match.start()].isalnum() and text[match.end() : match.end() + 1].isalnum()


@dataclass(frozen=True)
class StripHtml:
    """Turns the HTML remains of every text column into text. Rule `html` (tags and entities)."""

    name: str = "StripHtml"

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch without HTML remains."""
        from corpusmith.ops.faults import HTML, rows_with  # which draws its tables from this module

        return rewrite(batch, (("html", strip_html),), partial(rows_with, bits=HTML))
