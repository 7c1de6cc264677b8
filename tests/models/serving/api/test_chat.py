"""Chat, judged by the official client."""

from __future__ import annotations

from typing import Any

import pytest

ASKED: Any = [{"role": "user", "content": "What is the capital of France?"}]


def ask(served: Any, **more: Any) -> Any:
    return served.client.chat.completions.create(**{"model": "tiny", "messages": ASKED, "max_tokens": 8, **more})


def test_a_greedy_answer_is_that_of_generate(served: Any, alone: Any) -> None:
    ids = served.opened.form.encode_prompt([("user", ASKED[0]["content"])])
    found = ask(served, temperature=0)
    assert found.object == "chat.completion"
    assert found.model == "tiny"
    assert found.choices[0].message.role == "assistant"
    expected = alone(ids, 8)
    assert found.choices[0].message.content == served.opened.form.tokenizer.decode(expected, skip_special_tokens=True)
    assert found.choices[0].finish_reason == ("stop" if expected[-1] in served.opened.ends else "length")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (len(ids), len(expected))
    assert found._request_id.startswith("req_")


def test_a_stream_is_the_same_answer(served: Any) -> None:
    whole = ask(served, temperature=0)
    chunks = list(ask(served, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 2) + [whole.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1


def test_an_unknown_model(served: Any) -> None:
    import openai

    with pytest.raises(openai.NotFoundError) as caught:
        ask(served, model="other")
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
