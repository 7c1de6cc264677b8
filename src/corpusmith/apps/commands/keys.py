"""`corpusmith key ...`: keys of the served API."""

from __future__ import annotations

import time
from pathlib import Path

from corpusmith.apps.approving import actor
from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import say, show, show_json, table
from corpusmith.apps.workspaces import open_existing
from corpusmith.store.api_keys import ApiKey, ApiKeys

_SECRET = {"salt", "digest"}


def create(
    name: str, limits: tuple[int | None, int | None], redact: bool, workspace: Path | None, as_json: bool
) -> None:
    """`corpusmith key create`: the only time that the key is shown. `limits`: requests, tokens per minute."""
    with boundary(as_json, workspace):
        made, key = ApiKeys(open_existing(workspace).database).create(
            name, actor(), requests_per_minute=limits[0], tokens_per_minute=limits[1], redact=redact
        )
        if as_json:
            show_json({"status": 0, **made.model_dump(exclude=_SECRET), "key": key})
            return
        show(key)
        say(f"the key of {name}: it is shown this once and kept nowhere; servers take it within a second")


def list_keys(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith key list`."""
    with boundary(as_json, workspace):
        keys = ApiKeys(open_existing(workspace).database).all()
        if as_json:
            show_json({"status": 0, "keys": [key.model_dump(exclude=_SECRET) for key in keys]})
            return
        rows = [
            (key.name, f"cs-{key.id}-...", _limit(key.requests_per_minute), _limit(key.tokens_per_minute),
             "yes" if key.redact else "", _when(key.created), _state(key))
            for key in keys
        ]  # fmt: skip
        head = ("key", "begins with", "requests/min", "tokens/min", "redacted", "made", "is")
        show(table(head, rows) if rows else "No keys yet: a server answers this machine alone.")


def revoke(name: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith key revoke`."""
    with boundary(as_json, workspace):
        revoked = ApiKeys(open_existing(workspace).database).revoke(name)
        if as_json:
            show_json({"status": 0, **revoked.model_dump(exclude=_SECRET)})
        else:
            show(f"the key {name} is revoked; servers turn it away within a second")


def _limit(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _state(key: ApiKey) -> str:
    return "good" if key.revoked is None else f"revoked {_when(key.revoked)}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
