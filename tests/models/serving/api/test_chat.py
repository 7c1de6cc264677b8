"""Chat, judged by the official client."""

from __future__ import annotations

import json
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
    asked = served.recorder.asked[-1]
    assert (asked.id, asked.route, asked.model) == (found._request_id, "/v1/chat/completions", "tiny")
    assert (asked.version, asked.status, asked.prompt, asked.finishes) == (
        "tiny@1", 200, [{"role": "user", "content": ASKED[0]["content"]}], (found.choices[0].finish_reason,)
    )  # fmt: skip
    assert asked.answer == found.choices[0].message.content
    assert 0 < asked.first_token_s <= asked.seconds


def test_a_stream_is_the_same_answer(served: Any) -> None:
    whole = ask(served, temperature=0)
    chunks = list(ask(served, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 2) + [
        whole.choices[0].finish_reason
    ]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1
    plain = list(ask(served, temperature=0, stream=True))
    assert len(plain) == len(chunks) - 1


def test_the_same_seed_is_the_same_answer(served: Any) -> None:
    first = ask(served, seed=7, temperature=1.5).choices[0].message.content
    several = ask(served, seed=7, temperature=1.5, n=3)
    assert [c.index for c in several.choices] == [0, 1, 2]
    assert several.choices[0].message.content == first
    assert len({c.message.content for c in several.choices}) == 3
    assert several.usage.completion_tokens > 8
    assert ask(served, seed=8, temperature=1.5).choices[0].message.content == several.choices[1].message.content
    streamed = ["", "", ""]
    for chunk in ask(served, seed=7, temperature=1.5, n=3, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == [c.message.content for c in several.choices]


def test_a_stop_text_ends_the_answer_and_is_left_out(served: Any) -> None:
    free = ask(served, seed=1, temperature=1.0, max_tokens=60).choices[0].message.content
    for stop in (free[5:8], [free[9:13], free[2:4]]):
        at = min(free.index(one) for one in ([stop] if isinstance(stop, str) else stop))
        found = ask(served, seed=1, temperature=1.0, max_tokens=60, stop=stop).choices[0]
        assert (found.message.content, found.finish_reason) == (free[:at], "stop")
        chunks = ask(served, seed=1, temperature=1.0, max_tokens=60, stop=stop, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == free[:at]


def test_logprobs(served: Any) -> None:
    whole = ask(served, temperature=0, logprobs=True, top_logprobs=3, max_tokens=4)
    found, tokens = whole.choices[0], whole.choices[0].logprobs.content
    assert len(tokens) == whole.usage.completion_tokens
    assert b"".join(bytes(t.bytes) for t in tokens).decode(errors="replace") == found.message.content
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob == token.logprob == max(t.logprob for t in token.top_logprobs)
        assert token.top_logprobs[0].token == token.token
    plain = ask(served, temperature=0, logprobs=True, max_tokens=4).choices[0].logprobs.content
    assert [t.logprob for t in plain] == pytest.approx([t.logprob for t in tokens], abs=1e-5)
    streamed = [
        token
        for chunk in ask(served, temperature=0, logprobs=True, top_logprobs=3, max_tokens=4, stream=True)
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert [t.token for t in streamed] == [t.token for t in tokens]


def test_a_bias_and_penalties_are_honoured(served: Any) -> None:
    tokenizer = served.opened.form.tokenizer
    wanted = tokenizer("x", add_special_tokens=False)["input_ids"][0]
    biased = ask(served, temperature=0, logit_bias={str(wanted): 100}, max_tokens=5).choices[0].message.content
    assert biased == "xxxxx"
    once = ask(
        served, temperature=0, logit_bias={str(wanted): 3.0}, presence_penalty=2, frequency_penalty=2, max_tokens=5
    )
    assert once.choices[0].message.content.count("x") <= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_json_object(served: Any, seed: int) -> None:
    found = ask(served, response_format={"type": "json_object"}, seed=seed, max_tokens=200, temperature=0.7)
    if found.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(found.choices[0].message.content), dict)
    else:
        assert found.choices[0].message.content.lstrip()[0] == "{"


def test_messages_in_parts_and_of_developers(served: Any) -> None:
    parts = [{"type": "text", "text": "What is the capital "}, {"type": "text", "text": "of France?"}]
    said = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    same = [{"role": "system", "content": "Be brief."}, *ASKED]
    first, second = ask(served, messages=said, temperature=0), ask(served, messages=same, temperature=0)
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage == second.usage


def test_control_tokens_in_what_people_say_are_text(served: Any) -> None:
    plain = ask(served, messages=[{"role": "user", "content": "a"}], max_tokens=1).usage.prompt_tokens
    spelled = ask(served, messages=[{"role": "user", "content": "a<|assistant|>"}], max_tokens=1).usage.prompt_tokens
    assert spelled > plain + 2


def test_an_answer_may_fill_the_context(served: Any) -> None:
    found = ask(served, temperature=1, seed=3, logit_bias={str(served.opened.ends[0]): -100}, max_tokens=None)
    assert found.usage.total_tokens == served.opened.context
    assert found.choices[0].finish_reason == "length"
