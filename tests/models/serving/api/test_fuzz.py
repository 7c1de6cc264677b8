"""The API fuzzed by its own OpenAPI document: whatever is sent, nothing is a 5xx and every error is an error object."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

pytest.importorskip("schemathesis")
import schemathesis
from hypothesis import HealthCheck, given, seed, settings

OPERATIONS = (
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "POST /v1/rag",
    "GET /v1/models",
    "GET /v1/models/{name}",
)
KINDS = [
    (name, mode)
    for name in OPERATIONS
    for mode in schemathesis.GenerationMode
    if name.startswith("POST") or mode is schemathesis.GenerationMode.POSITIVE
]
EXAMPLES, SECONDS = 40, 60 / len(KINDS)
"""Examples of one round, and how long round follows round for one kind of request: a minute for all of them."""


@pytest.fixture(scope="session")
def operations(served: Any) -> dict[str, Any]:
    """Every operation of the document."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    found = [one.ok() for one in schema.get_all_operations()]
    return {one.label: one for one in found}


def test_the_document_names_every_route(operations: dict[str, Any]) -> None:
    assert set(operations) == set(OPERATIONS)


def put_right(body: dict[str, Any], mode: Any) -> None:
    """What the document cannot say, and without which hardly anything would get past the door."""
    if not isinstance(model := body.get("model"), str):
        return
    body["model"] = "tiny+rag" if len(model) % 4 == 3 else "tiny"
    if mode is schemathesis.GenerationMode.POSITIVE and len(model) % 3:
        body.pop("tools", None)  # the model's template knows none
        for message in body.get("messages", ()):
            message["content"] = message.get("content") or "Hello"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), KINDS)
def test_no_answer_is_a_server_error(served: Any, operations: dict[str, Any], name: str, mode: Any) -> None:
    statuses = set()

    def ask(case: Any) -> None:
        if isinstance(case.body, dict):
            put_right(case.body, mode)
        found = case.call(base_url=served.url)
        statuses.add(found.status_code)
        assert found.status_code < 500, found.text
        if found.status_code >= 400:
            assert set(found.json()["error"]) == {"message", "type", "param", "code"}

    def fuzz(*, derandomize: bool) -> Any:
        asked = given(case=operations[name].as_strategy(generation_mode=mode))(ask)
        return settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        )(asked)

    began = time.monotonic()
    fuzz(derandomize=True)()  # the same in every run: some of these are answered
    if name != "GET /v1/models/{name}":
        assert 200 in statuses or mode is not schemathesis.GenerationMode.POSITIVE
    for number in itertools.count():
        if time.monotonic() - began >= SECONDS:
            break
        seed(number)(fuzz(derandomize=False))()
