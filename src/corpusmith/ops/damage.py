"""What encoding damage is and how it is undone, on one text; `repair` makes row operators of it.

Damage is mojibake (UTF-8 read as a one-byte code page, undone by ftfy), U+FFFD, and control characters. Clean text in
any language has none: a line is mojibake only when ftfy finds a decoding that explains it (Speer 2019). A replacement
character that is quoted, as in "the character '\N{REPLACEMENT CHARACTER}'", is spoken of and no damage.
"""

from __future__ import annotations

import re
import unicodedata

import ftfy
from ftfy.fixes import fix_c1_controls

FFFD = "\ufffd"
CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]"
_CONTROL = re.compile(CONTROLS)
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_OVERSTRIKE = re.compile(r"([^\x08\n])\x08(?=\1)|_\x08(?=\S)|[^\x08\s]\x08(?=_)|\+\x08(?=o)")
_QUOTE_BEFORE, _QUOTE_AFTER = "['\"`(‘“«\\[]", "['\"`)’”»\\]]"
_RUN = f"(?<!{FFFD}){FFFD}+(?!{FFFD})"
_UNSPOKEN_RUN = f"(?:(?<!{_QUOTE_BEFORE}){_RUN}|{_RUN}(?!{_QUOTE_AFTER}))"
_UNSPOKEN = re.compile(f"(?:^|(?<= )){_UNSPOKEN_RUN} ?|{_UNSPOKEN_RUN}", re.M)
C1_CONTROLS = r"[\x80-\x9f]"
_C1 = re.compile(C1_CONTROLS)
_FEED_INSIDE = re.compile(r"(?<=\S)[\x0b\x0c]+(?=\S)")
_LOST_APOSTROPHE = re.compile("(?<=[A-Za-z])\ufffd{1,3}(?=(?:s|t|re|ve|ll|d|m)\\b)")
INVISIBLES = "[\u200b\u2060\ufeff\u00ad\u180e\u200c-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
_INVISIBLE = re.compile(INVISIBLES)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")
_TAGS_OF_A_FLAG = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)")
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
LINE_BREAKS = "[\u2028\u2029\u0085]"
_LINE_BREAK = re.compile(LINE_BREAKS)
MOJIBAKE_PAIRS = (
    (
        "[\u00c2-\u00f4\u0102\u0103\u0104\u010e\u0110\u0139\u0111\u0155\u00c3\u039e\u0393\u039f]",
        "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02c7\u02d8\u02d9\u02db"
        "\u02dc\u0141\u0142\u0104\u0105\u013d\u013e\u015a\u015b\u0164\u0165\u0179\u017a\u017b\u017c\u015e"
        "\u015f\u2013\u2014\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]",
    ),
    (
        "[\u0420\u0421\u0432\u0440\u0413\u0412]",
        "[\u0080-\u00bf\u0401-\u040f\u0451-\u045f\u0490\u0491\u2013-\u203a\u20ac\u2116\u2122]",
    ),
    (
        "[\u221a\u201a\u00ac\u2248]",
        "[\u00a0-\u00ff\u0131\u0152\u0153\u0178\u0192\u02c6-\u02dd\u03a0-\u03c0\u2013-\u2044\u20ac\u2122-"
        "\u22ff\u25ca\uf8ff\ufb01\ufb02]",
    ),
    (
        "[\u251c\u2564-\u2568\u2550-\u256c\u0393]",
        "[\u00a0-\u00ff\u0192\u0393-\u03c6\u2190-\u2593]",
    ),
)
"""Cheap test before ftfy: a character that a UTF-8 lead byte turns into, then one that a continuation byte turns into,
in the Windows, ISO 8859, Mac and DOS code pages. Most clean texts stop here."""
_SUSPECT = re.compile("|".join(first + second for first, second in MOJIBAKE_PAIRS))
_MOJIBAKE_ONLY = ftfy.TextFixerConfig(unescape_html=False, fix_c1_controls=True, explain=False)
_LOST_QUOTE = "\u00e2\u20ac\ufffd"  # the bytes of a closing quotation mark, the last one undefined in Windows-1252
_TOO_LOST = 20


def repair_mojibake(text: str) -> tuple[str, int]:
    """`text` with mojibake undone line by line, and the number of places that were.

    C1 controls that stand for Windows-1252 characters (U+0092 for an apostrophe) become those characters.
    """
    if text.isascii():
        return text, 0
    text, count = _decode_lines(text)
    if _C1.search(text):
        fixed = fix_c1_controls(text)
        count += sum(old != new for old, new in zip(text, fixed, strict=True))
        text = fixed
    return text, count


def _decode_lines(text: str) -> tuple[str, int]:
    pieces, done, fixed = [], 0, 0
    suspect = _SUSPECT.search(text)
    while suspect:
        start, end = text.rfind("\n", 0, suspect.start()) + 1, text.find("\n", suspect.end())
        end = len(text) if end < 0 else end
        line = text[start:end]
        better = _decode_again(line)
        if better != line:
            pieces += [text[done:start], better]
            done = end
            fixed += 1
        suspect = _SUSPECT.search(text, end)
    return ("".join(pieces) + text[done:], fixed) if fixed else (text, 0)


def _decode_again(line: str) -> str:
    line = line.replace(_LOST_QUOTE, "\u201d")
    for _ in range(4):
        if line.isascii() or not _SUSPECT.search(line):
            break
        better = str(ftfy.fix_encoding(line, _MOJIBAKE_ONLY)).replace("\n", " ")
        if better == line or better.count(FFFD) > line.count(FFFD):
            break
        line = better
    return line


def strip_controls(text: str) -> tuple[str, int]:
    """`text` without control characters, terminal escapes and overstrikes, and how many went.

    An overstrike is how `man` prints bold (a letter twice) and underlined (with `_`); any other backspace just goes. A
    form feed or vertical tab between two visible characters becomes a line feed.
    """
    if not _CONTROL.search(text):
        return text, 0
    text, count = _ANSI.subn("", text)
    if "\x08" in text:
        text, struck = _OVERSTRIKE.subn("", text)
        count += struck
    text, fed = _FEED_INSIDE.subn("\n", text)
    text, removed = _CONTROL.subn("", text)
    count += fed
    return text, count + removed


def repair_replacements(text: str) -> tuple[str, int]:
    """`text` with U+FFFD undone where it can be: an apostrophe between letters, else taken out.

    A text in which more than one character in twenty is lost is past repair and comes back as it is; so does a
    quoted U+FFFD.
    """
    lost = text.count(FFFD)
    if not lost or lost * _TOO_LOST > max(len(text), 2 * _TOO_LOST):
        return text, 0
    text = _LOST_APOSTROPHE.sub("\u2019", text)
    text = _UNSPOKEN.sub("", text)
    return text, lost - text.count(FFFD)


def drop_invisible(text: str) -> tuple[str, int]:
    """`text` without zero-width and direction-override characters that do no work, and how many went.

    Joiners stay between letters that join (not Latin), zero-width spaces in scripts that write without spaces,
    direction marks in texts that run from right to left, tag characters inside a flag.
    """
    if text.isascii() or not _INVISIBLE.search(text):
        return text, 0
    right_to_left = bool(_RIGHT_TO_LEFT.search(text))
    pieces = _TAGS_OF_A_FLAG.split(text)
    count = 0
    for index in range(0, len(pieces), 2):
        pieces[index], removed = _drop(pieces[index], right_to_left)
        count += removed
    return ("".join(pieces), count) if count else (text, 0)


def _drop(text: str, right_to_left: bool) -> tuple[str, int]:
    def keep(match: re.Match[str]) -> str:
        char = match.group()
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if char in "\u200c\u200d":
            return char if before and after and not before.isascii() and not after.isascii() else ""
        if char in "\u200b\u2060":
            return char if _WITHOUT_SPACES.match(before) or _WITHOUT_SPACES.match(after) else ""
        if char in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            return char if right_to_left else ""
        return ""

    new = _INVISIBLE.sub(keep, text)
    return new, len(text) - len(new)


def to_nfc(text: str) -> tuple[str, int]:
    """`text` in Unicode normalisation form C with U+2028, U+2029 and U+0085 as line feeds; 1 when it changed."""
    if text.isascii():
        return text, 0
    new = unicodedata.normalize("NFC", _LINE_BREAK.sub("\n", text))
    return new, int(new != text)


def damage(text: str) -> int:
    """Places of `text` with encoding damage: lines of mojibake, runs of U+FFFD, control characters."""
    count = len(_CONTROL.findall(text))
    if text.isascii():
        return count
    if FFFD in text:
        count += len(_UNSPOKEN.findall(text))
    return count + repair_mojibake(text)[1]
