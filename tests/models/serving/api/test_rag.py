"""Answers that rest on an index: in chat by the model's name, and at their own route."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

KNOWN: Any = [{"role": "user", "content": "Where does the river rise?"}]
UNKNOWN: Any = [{"role": "user", "content": "What costs lemonade?"}]


def ask(served: Any, messages: Any = KNOWN, **more: Any) -> Any:
    return served.client.chat.completions.create(
        **{"model": "tiny+rag", "messages": messages, "max_tokens": 5, "temperature": 0, **more}
    )


def test_chat_with_an_index(served: Any) -> None:
    found = ask(served)
    message = found.choices[0].message
    assert found.model == "tiny+rag"
    assert [one["row_id"] for one in message.citations] == ["rows#0"]
    assert message.grounding == {"filters": {}, "notes": [], "found": True}
    assert found.usage.prompt_tokens > len(served.opened.form.encode_prompt([("user", KNOWN[0]["content"])]))
    asked = served.recorder.asked[-1]
    assert (asked.passages, asked.model, asked.version) == (("rows#0",), "tiny+rag", "tiny@1")


def test_a_stream_has_its_citations_in_the_last_chunk(served: Any) -> None:
    chunks = list(ask(served, stream=True))
    assert [one["row_id"] for one in chunks[-1].choices[0].delta.citations] == ["rows#0"]
    assert chunks[-1].choices[0].finish_reason
    whole = ask(served).choices[0].message.content
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_found_is_said_and_the_model_is_not_asked(served: Any, stream: bool) -> None:
    found = ask(served, UNKNOWN, stream=stream)
    if stream:
        chunks = list(found)
        said, facts = "".join(c.choices[0].delta.content or "" for c in chunks), chunks[-1].choices[0].delta
    else:
        said, facts = found.choices[0].message.content, found.choices[0].message
        assert found.usage.total_tokens == 0
    assert said == "The index holds nothing about this."
    assert facts.citations == []
    assert facts.grounding["found"] is False


def test_passages_that_the_context_does_not_hold_are_left_out_and_told(served: Any) -> None:
    asked: Any = [{"role": "user", "content": "Where are the harbour and the market?"}]
    whole = ask(served, asked)
    assert len(whole.choices[0].message.citations) == 2
    room = served.engine.context - whole.usage.prompt_tokens
    less = ask(served, asked, max_tokens=room + 1, stop=list(" etaoinsr")[:4]).choices[0].message
    assert [one["row_id"] for one in less.citations] == ["rows#1"]
    assert less.grounding["notes"] == [f"1 passage: more do not fit the context of {served.engine.context} tokens"]
    body = {"question": asked[0]["content"], "max_tokens": room + 1}
    assert len(httpx.post(f"{served.url}/v1/rag", json=body, timeout=60).json()["citations"]) == 1
    with pytest.raises(openai.BadRequestError, match="the context of this model is"):
        ask(served, asked, max_tokens=served.engine.context)


def test_its_own_route(served: Any) -> None:
    def post(**body: Any) -> Any:
        return httpx.post(f"{served.url}/v1/rag", json={"max_tokens": 5, **body}, timeout=60)

    found = post(question="Where does the river rise?", k=1, filters={"author": "Ann"}).json()
    assert found["object"] == "rag.answer"
    assert found["answer"] == ask(served).choices[0].message.content
    assert [one["row_id"] for one in found["citations"]] == ["rows#0"]
    assert found["filters"] == {"author": "Ann"}
    assert found["usage"]["completion_tokens"] <= 5
    assert post(question="What costs lemonade?").json()["answer"] == "The index holds nothing about this."
    wrong = post(question="The river?", filters={"colour": "red"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "invalid_request_error")
    assert post(question="a", model="bare").json()["error"]["code"] == "model_not_found"
    gone = post(question="the storm")
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "source_unavailable")
    assert gone.headers["retry-after"] == "5"


def test_writing_from_files_needs_an_index_that_can_be_written_from(served: Any) -> None:
    files = [{"name": "a.md", "text": "The mill stands by the weir."}]
    for body, param in (({"task": "write"}, "task"), ({}, "files")):
        given = {"question": "A post on the river", "files": files, **body}
        found = httpx.post(f"{served.url}/v1/rag", json=given, timeout=60)
        assert (found.status_code, found.json()["error"]["param"]) == (400, param)


def test_wrong_requests(served: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        ask(served, extra_body={"rag": {"filters": {"colour": "red"}}})
    with pytest.raises(openai.BadRequestError):
        ask(served, extra_body={"rag": {"k": 0}})
    with pytest.raises(openai.BadRequestError):
        served.client.completions.create(model="tiny+rag", prompt="a")
    with pytest.raises(openai.InternalServerError):  # 503: the client may try again
        ask(served, [{"role": "user", "content": "the storm"}])
