"""Row ids, artifact ids and run ids.

A row id is `<root-relative URI>#<position>` (`articles.jsonl#17`), or `<URI>#<key>` where the source has a natural
key. A derived row (chunk, pair, copy) is `<parent id>~<rule>.<ordinal>`; its parent id is recorded beside it.
"""

from __future__ import annotations

import re
import secrets
import time

ARTIFACT_ID = re.compile(r"^[0-9a-f]{32}$")


def row_id(uri: str, position: int | str) -> str:
    """The id of the row at 0-based `position` (or natural key) of the source `uri` (root-relative, `/`-separated)."""
    return f"{uri}#{position}"


def derived_row_id(parent: str, rule: str, ordinal: int) -> str:
    """The id of the `ordinal`-th row that `rule` made out of `parent`."""
    return f"{parent}~{rule}.{ordinal}"


def root_row_id(value: str) -> str:
    """The id of the source row that a (possibly derived) row id descends from."""
    return value.split("~", 1)[0]


def new_run_id() -> str:
    """A fresh run id that sorts by start time (UTC), `r-20261122-211530-1f0c9a`."""
    return time.strftime("r-%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)
