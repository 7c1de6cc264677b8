"""Paths, URIs and globs inside a sentence."""

from __future__ import annotations

import re

_SUFFIX = (
    r"(?:jsonl|ndjson|json|parquet|csv|tsv|txt|md|markdown|html?|xml|warc|pdf|arrow|feather|zip|tar|gz|zst"
    r"|bz2|xz|rst|mbox)"
)
_BODY = r"[^\s,;'\"`()<>]"
_CANDIDATE = re.compile(
    rf"(?P<quoted>(?P<q>[\"'`])(?P<inner>[^\"'`\n]*(?:/|\.{_SUFFIX}\b)[^\"'`\n]*)(?P=q))"
    rf"|(?<![\w./-])(?P<uri>[a-z][a-z0-9+]*://{_BODY}+)"
    rf"|(?<![\w./-])(?P<rooted>(?:\.\.?/|~/|/(?=[\w.*])|[A-Za-z]:[\\/]){_BODY}*)"
    rf"|(?<![\w./-])(?P<glob>[\w./-]*\*{_BODY}+)"
    rf"|(?<![\w./-])(?P<file>[\w./-]*\w\.{_SUFFIX}(?:\.{_SUFFIX})*)(?![\w/])"
    rf"|(?:(?<=\bin )|(?<=\bfrom )|(?<=\bunder )|(?<=\bat )|(?<=\bof )|(?<=\bclean )|(?<=\bdedupe )|(?<=\bdedup )"
    rf"|(?<=\bturn )|(?<=\bfolder )|(?<=\bdirectory )|(?<=\bfile )|(?<=\bread )|(?<=\bagainst )|(?<=\bprepare )"
    r"|(?<=\bprocess )|(?<=\bload )|(?<=\buse )|(?<=\btake )|(?<=\bconvert )|(?<=\bfilter )|(?<=\bcurate )"
    r"|(?<=\bdeduplicate )|(?<=\bmerge )|(?<=\banonymise )|(?<=\banonymize ))"
    rf"(?P<relative>[A-Za-z_][\w.-]*(?:/[\w.*-]+)+/?)",
    re.IGNORECASE,
)
NO_PATH = re.compile(
    r"(?:train|training|validation|valid|val|dev|test|question|answer|q|a|and|or|instruction|response|prompt|input"
    r"|output|chosen|rejected|he|she|documents|rows|articles)(?:/\w+)+",
    re.IGNORECASE,
)


def find_paths(text: str) -> list[tuple[int, int, str]]:
    """Every path, URI or glob of `text` as (start, end, path), left to right; quotes are in the span only.

    A path is recognised by a leading `./`, `../`, `~/`, `/` or drive, a scheme, a `*`, a file suffix of known data, or,
    after `in`, `from` and the like, a slash (`data/articles`); fractions (90/5/5) and pairs (train/test) are not paths.
    """
    found = []
    for match in _CANDIDATE.finditer(text):
        path = match.group("inner") or match.group()
        end = match.end()
        if match.group("quoted") is None:
            path = path.rstrip(".!?:")
            end = match.start() + len(path)
        if path.strip("./~*") == "" or NO_PATH.fullmatch(path) or re.fullmatch(r"/\d[\d/.]*", path):
            continue
        found.append((match.start(), end, path))
    return found
