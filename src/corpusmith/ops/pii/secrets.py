"""Access keys and tokens: the forms that services publish for them, and random values assigned to telling names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpusmith.ops.pii.checks import is_secret_value

_KNOWN: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("AKIA", r"AKIA(?<![A-Z0-9]....)[A-Z0-9]{16}(?![A-Z0-9])"),
        ("ASIA", r"ASIA(?<![A-Z0-9]....)[A-Z0-9]{16}(?![A-Z0-9])"),
        *((f"gh{kind}_", rf"gh{kind}_(?<![A-Za-z0-9]....)[A-Za-z0-9]{{36,255}}") for kind in "pousr"),
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
        ("glpat-", r"glpat-[A-Za-z0-9_-]{20,64}"),
        ("sk-", r"sk-(?<![A-Za-z0-9-]...)(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{20,255}"),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
        ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
        ("k_live_", r"[prs]k_live_[A-Za-z0-9]{16,255}"),
        ("k_test_", r"[prs]k_test_[A-Za-z0-9]{16,255}"),
        ("hf_", r"hf_(?<![A-Za-z0-9_]...)[A-Za-z0-9]{30,64}"),
        ("npm_", r"npm_(?<![A-Za-z0-9_]....)[A-Za-z0-9]{36}"),
        ("pypi-", r"pypi-[A-Za-z0-9_-]{60,255}"),
        ("SG.", r"SG\.(?<![A-Za-z0-9]...)[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        ("eyJ", r"eyJ(?<![A-Za-z0-9_-]...)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("hooks.slack.com", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,80}"),
        (
            "PRIVATE KEY-----",
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s:,.\\-]{16,}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
        ),
    )
)
_NAME = re.compile(
    r"(?:api[_ -]?key|secret|access[_ -]?key|token|passwd|password|pwd|credentials?|auth[_ -]?key|private[_ -]?key)"
    r"[A-Za-z_ -]{0,20}[\"'`]?\s{0,3}$",
    re.I,
)
_VALUE = r"[>]?\s{0,3}[\"'`]?([A-Za-z0-9_+/=.!@#$%^&*~-]{12,200})"
_ASSIGNED = re.compile(rf"[:=](?={_VALUE})")
_SPOKEN = re.compile(rf" is(?={_VALUE})")
_REACH = 48
MARKS = tuple(mark for mark, _ in _KNOWN)
"""Each known form holds one of these, as it stands here."""
WORDS = ("key", "secret", "token", "passw", "pwd", "credential")
"""A telling name holds one of these, in any case."""


def find_known(text: str) -> Iterator[tuple[int, int]]:
    """Spans of keys and tokens in the forms of known services."""
    underscored = "_" in text
    for mark, pattern in _KNOWN:
        if (underscored or "_" not in mark) and mark in text:
            for match in pattern.finditer(text):
                yield match.span()


def find_assigned(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Spans of values assigned to telling names; `lower` is `text` in lower case, to skip what cannot match."""
    if any(word in lower for word in WORDS):
        for pattern in (_ASSIGNED, _SPOKEN):
            for match in pattern.finditer(text):
                value = match.group(1).rstrip(".!,")
                if not _NAME.search(text[max(0, match.start() - _REACH) : match.start()]):
                    continue
                if is_secret_value(value) and "." not in value:
                    yield match.start(1), match.start(1) + len(value)
