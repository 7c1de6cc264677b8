"""Every kind of failure is the exception that the official client has for it, with a code, and nothing is a 5xx."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

ASKED: Any = [{"role": "user", "content": "Seven"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}

BAD: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"temperature": 3}, "temperature", "invalid_value"),
    ({"temperature": "hot"}, "temperature", "invalid_value"),
    ({"n": 0}, "n", "invalid_value"),
    ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    ({"max_tokens": 10_000}, "messages", "context_length_exceeded"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": [{"role": "user", "content": "word " * 400}]}, "messages", "context_length_exceeded"),
    ({"messages": [{"role": "wizard", "content": "a"}]}, "messages.0.role", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages.0", "invalid_value"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, None, None),
    ({"stop": ""}, None, "invalid_value"),
    ({"top_logprobs": 3}, None, "invalid_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
    ({"logit_bias": {"word": 1}}, None, "invalid_value"),
    ({"logit_bias": {"99999": 1}}, None, None),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format", None),
    ({"tools": [TOOL]}, None, None),
    ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice", "unsupported_value"),
    ({"tool_choice": "auto"}, "tool_choice", None),
    ({"functions": [{"name": "a"}]}, "functions", "invalid_value"),
    ({"stream_options": {"include_usage": True}}, None, "invalid_value"),
    ({"extra_body": {"rag": {"k": 3}}}, "rag", None),
]


@pytest.mark.parametrize(
    ("more", "param", "code"), BAD, ids=[next(iter(more)) + str(n) for n, (more, *_) in enumerate(BAD)]
)
def test_a_wrong_request(served: Any, more: dict[str, Any], param: str | None, code: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        served.client.chat.completions.create(**{"model": "tiny", "messages": ASKED, "max_tokens": 4, **more})
    assert caught.value.type == "invalid_request_error"
    assert caught.value.message
    assert param is None or caught.value.param == param
    assert code is None or caught.value.code == code
    assert caught.value.request_id.startswith("req_")


def test_tools_may_be_there_when_none_is_to_be_called(served: Any) -> None:
    found = served.client.chat.completions.create(
        model="tiny", messages=ASKED, max_tokens=2, tools=[TOOL], tool_choice="none"
    )
    assert found.choices


def test_an_unknown_model(served: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        served.client.chat.completions.create(model="other", messages=ASKED)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "is served here. There are: " in caught.value.message
    with pytest.raises(openai.NotFoundError) as caught:
        served.client.models.retrieve("other")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        served.client.chat.completions.create(model="bare+rag", messages=ASKED)
    assert served.recorder.asked[-1].status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/nothing", b"", 404, "unknown_url"),
        ("GET", "/nothing", b"", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", b"", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", b"{", 400, "invalid_json"),
        ("POST", "/v1/chat/completions", b"", 400, "invalid_value"),
        ("POST", "/v1/chat/completions", b"[1]", 400, "invalid_value"),
        ("POST", "/v1/chat/completions", b"\xff\xfe", 400, None),
        ("POST", "/v1/chat/completions", b"[" * 100_000, 400, None),
        ("POST", "/v1/completions", b'{"model": "\\ud800", "prompt": "a"}', 400, "invalid_json"),
        ("POST", "/v1/completions", b'{"model": "tiny", "prompt": "\\udfff"}', 400, "invalid_json"),
        ("POST", "/v1/completions", b'{"model": "tiny", "prompt": "\\ud83d\\ude00 \\\\ud800", "n": 1}', 200, None),
        ("POST", "/v1/completions", b'{"model": "tiny", "prompt": "a", "temperature": NaN}', 400, "invalid_value"),
        ("POST", "/v1/completions", b'{"model": "tiny", "prompt": "a", "seed": 1e400}', 400, "invalid_value"),
        ("POST", "/v1/completions", b'{"model": "tiny", "prompt": "a", "seed": ' + b"9" * 5000 + b"}", 400, None),
        ("POST", "/v1/completions", b"x" * 10_000_000, 413, "request_too_large"),
    ],
)  # fmt: skip
def test_requests_that_the_client_would_not_send(
    served: Any, method: str, path: str, body: bytes, status: int, code: str | None
) -> None:
    found = httpx.request(
        method, served.url + path, content=body, headers={"content-type": "application/json"}, timeout=60
    )
    assert found.status_code == status, found.text
    assert found.headers["x-request-id"]
    if status == 200:
        return
    error = json.loads(found.text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert code is None or error["code"] == code


def test_a_large_body_in_chunks(served: Any) -> None:
    def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 100_000

    found = httpx.post(f"{served.url}/v1/completions", content=chunks(), timeout=60)
    assert found.status_code == 413


def test_a_prompt_of_10_mb_through_the_client(served: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        served.client.completions.create(model="tiny", prompt="a" * 10_000_000)
    assert caught.value.status_code == 413
    assert caught.value.code == "request_too_large"
