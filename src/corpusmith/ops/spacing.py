"""White space and punctuation of one text: what can be evened out without touching paragraphs, code or tables."""

from __future__ import annotations

import re

_ODD_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")
_BLANK_LINES = re.compile(r"\n{4,}")
_INNER_RUN = re.compile(r"(?<=[A-Za-z0-9,;:.!?)\"'’”]) {2,}(?=[A-Za-z(\"'‘“])")
_COLUMNS = re.compile(r"\S(?: {2,}|\t)\S+.*?(?: {2,}|\t)\S|\|")
_CODE_START = re.compile(r"[ \t]|>>>|\.\.\.|[$#>|+-] |```|~~~|\||\+[-=]")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_REPEATED = re.compile(r"([!?])\1{2,}|(?<!\.)\.{4,}|(,){2,}|(;){2,}|([!?])(?:[!?]){3,}")
_SHORT = {".": "...", ",": ",", ";": ";"}


def even_spaces(text: str) -> tuple[str, int]:
    """`text` with plain line ends and spaces, no trailing space and at most two blank lines in a row.

    Indentation, tabs, fenced code and aligned columns stay; runs of spaces shrink only inside a line of prose. The
    ideographic space stays.

    Returns:
        The text and how many places changed.
    """
    changes = 0
    if "\r" in text:
        changes += text.count("\r")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii() and _ODD_SPACE.search(text):
        changes += len(_ODD_SPACE.findall(text)) - text.count("\u3000")
        text = _ODD_SPACE.sub(_plain_space, text)
    if " \n" in text or "\t\n" in text or text[-1:] in (" ", "\t"):
        text, count = _TRAILING.subn("", text)
        changes += count
    if "  " in text:
        text, count = _shrink_runs(text)
        changes += count
    if "\n\n\n\n" in text:
        text, count = _BLANK_LINES.subn("\n\n\n", text)
        changes += count
    bare = text.strip("\n")
    return bare, changes + (len(text) - len(bare))


def _plain_space(match: re.Match[str]) -> str:
    return match.group() if match.group() == "\u3000" else " "


def _shrink_runs(text: str) -> tuple[str, int]:
    """Shrink runs of spaces in lines that are neither code nor a row of a table."""
    lines, changes, fenced = text.split("\n"), 0, False
    may_be_fenced = "```" in text or "~~~" in text
    for index, line in enumerate(lines):
        if may_be_fenced and _FENCE.match(line):
            fenced = not fenced
        elif (
            "  " in line
            and line[0] not in " \t"
            and not fenced
            and _INNER_RUN.search(line)
            and not _CODE_START.match(line)
            and not _COLUMNS.search(_sentence_spaces(line))
        ):
            lines[index], count = _INNER_RUN.subn(" ", line)
            changes += count
    return ("\n".join(lines), changes) if changes else (text, 0)


def _sentence_spaces(line: str) -> str:
    """`line` with the two spaces that typists put after a sentence made one."""
    return re.sub(r"(?<=[.!?:]) {2}(?=\S)", " ", line)


def even_punctuation(text: str) -> tuple[str, int]:
    """`text` with repeated marks cut down (`!!!!` to `!`, `.....` to `...`, `,,` to `,`), and how many were.

    Marks inside code (`...`, `[..., ::2]`, `!!` operators of two) stay: only three or more of `!` and `?`, four or
    more dots, and two or more commas or semicolons after a letter count.
    """
    count = 0

    def shorten(match: re.Match[str]) -> str:
        nonlocal count
        run = match.group()
        if run[0] in ",;" and not text[max(0, match.start() - 1) : match.start()].isalpha():
            return run
        count += 1
        if run[0] in _SHORT:
            return _SHORT[run[0]]
        return "?!" if "?" in run and "!" in run else run[0]

    return _REPEATED.sub(shorten, text), count
