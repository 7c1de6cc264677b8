"""Names on a Qdrant server: which collection answers, which are kept, which are complete. All of it is in aliases.

    notes            the collection that is live
    notes.1 notes.2  those that were live before it, newest first: a rollback, or a server that still answers from one,
                     finds them
    COLLECTION.ready the collection, once every point is in it: whoever reads a whole index reads it by this name

Aliases change in one request, so a reader sees the old state or the new one. What falls off the end is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT = 2
"""Collections that are kept beside the live one."""
READY = ".ready"


def former(alias: str, place: int) -> str:
    """The name of what was live `place` moves ago; 0 = what is live."""
    return f"{alias}.{place}" if place else alias


def history(aliases: Mapping[str, str], alias: str) -> list[str]:
    """Collections that are live or kept under an alias, the live one first."""
    names = [aliases.get(former(alias, place)) for place in range(KEPT + 1)]
    return list(dict.fromkeys(name for name in names if name is not None))


def moves(aliases: Mapping[str, str], alias: str, collection: str) -> tuple[dict[str, str | None], list[str]]:
    """What is to change so that a collection becomes live.

    Returns:
        Alias to the collection it is to name, None = it is to go; and the collections that no name of this alias
        refers to any more.
    """
    lined = [collection, *(name for name in history(aliases, alias) if name != collection)]
    wanted = {former(alias, n): lined[n] if n < len(lined) else None for n in range(KEPT + 1)}
    return {name: of for name, of in wanted.items() if aliases.get(name) != of}, lined[KEPT + 1 :]


def operations(changes: Mapping[str, str | None], there: Mapping[str, str]) -> list[Any]:
    """Those changes as the client's operations, for one request."""
    from qdrant_client.models import CreateAlias, CreateAliasOperation, DeleteAlias, DeleteAliasOperation

    out: list[Any] = []
    for name, of in changes.items():
        if name in there:
            out.append(DeleteAliasOperation(delete_alias=DeleteAlias(alias_name=name)))
        if of is not None:
            out.append(CreateAliasOperation(create_alias=CreateAlias(collection_name=of, alias_name=name)))
    return out
