"""What a tool needs to act on endpoints: their record, the keys, a way to start a server."""

from __future__ import annotations

from dataclasses import dataclass

from corpusmith.models.serving.launch import Launcher
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.endpoints import Endpoints


@dataclass(frozen=True)
class ServingAccess:
    """A service of the step context, by the name `serving`."""

    endpoints: Endpoints
    keys: ApiKeys
    launcher: Launcher
