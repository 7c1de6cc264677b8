"""Checks what goes over the wire to and from `qdrant_server` against Qdrant's own description of its API, where it is.

QDRANT_OPENAPI=openapi.json pytest tests/models/retrieval
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_PATHS = {
    "list": ("/aliases", "get"),
    "aliases": ("/collections/aliases", "post"),
    "exists": ("/collections/{collection_name}/exists", "get"),
    "info": ("/collections/{collection_name}", "get"),
    "create": ("/collections/{collection_name}", "put"),
    "drop": ("/collections/{collection_name}", "delete"),
    "index": ("/collections/{collection_name}/index", "put"),
    "upsert": ("/collections/{collection_name}/points", "put"),
    "delete": ("/collections/{collection_name}/points/delete", "post"),
    "scroll": ("/collections/{collection_name}/points/scroll", "post"),
    "count": ("/collections/{collection_name}/points/count", "post"),
    "query": ("/collections/{collection_name}/points/query", "post"),
}


@dataclass(frozen=True)
class Spec:
    """The description, or None: nothing is checked."""

    document: dict[str, Any] | None

    @classmethod
    def published(cls) -> Spec:
        path = os.environ.get("QDRANT_OPENAPI")
        return cls(None if not path else _read(path))

    def request(self, name: str, body: bytes) -> None:
        if self.document is None or name not in _PATHS:
            return
        path, method = _PATHS[name]
        content = self.document["paths"][path][method].get("requestBody")
        if content is None:
            assert not body, f"{name} takes no body"
            return
        self._check(f"request {name}", content["content"]["application/json"]["schema"], json.loads(body))

    def answer(self, name: str, status: int, body: bytes) -> None:
        if self.document is None or name not in _PATHS or status == 501:
            return
        path, method = _PATHS[name]
        responses = self.document["paths"][path][method]["responses"]
        response = responses["200" if status == 200 else "4XX"]
        self._check(f"answer {name}", response["content"]["application/json"]["schema"], json.loads(body))

    def _check(self, what: str, schema: dict[str, Any], value: Any) -> None:
        from jsonschema import Draft202012Validator

        assert self.document is not None
        errors = list(Draft202012Validator({**schema, "components": self.document["components"]}).iter_errors(value))
        assert not errors, f"{what}: {errors[0].message[:300]}"


@cache
def _read(path: str) -> dict[str, Any]:
    found = _nullable(json.loads(Path(path).read_text("utf-8")))
    assert isinstance(found, dict)
    return found


def _nullable(part: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema has it."""
    if isinstance(part, list):
        return [_nullable(one) for one in part]
    if not isinstance(part, dict):
        return part
    whole = {key: _nullable(value) for key, value in part.items() if key != "nullable"}
    if part.get("nullable") is not True:
        return whole
    return {"anyOf": [whole, {"type": "null"}]} if whole else {"type": "null"}
