"""Tools: into the template where it knows them, and out of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from asgi_caller import call, events
from tiny_tokenizers import CHATML, byte_tokenizer

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.api.app import create_app
from corpusmith.models.serving.api.tool_calls import CallSplitter
from corpusmith.models.serving.contract import Piece, Sampling
from corpusmith.models.serving.plain import FixedFleet, Listed, OpenGate

CALL = '<tool_call>\n{"name": "look", "arguments": {"word": "é"}}\n</tool_call>'
WITH_TOOLS = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t.function.name }};{% endfor %}<|im_end|>\n{% endif %}"
    + CHATML
)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "content", "names"),
    [
        ("plain <b> text", "plain <b> text", []),
        (f"I look. {CALL}", "I look. ", ["look"]),
        (CALL + "\n" + CALL, "", ["look", "look"]),
        ('<tool_call>{"name": "other"}</tool_call>', '<tool_call>{"name": "other"}</tool_call>', []),
        ("<tool_call>{broken</tool_call> on", "<tool_call>{broken</tool_call> on", []),
        ("<tool_call>never closed", "<tool_call>never closed", []),
        ("ends in <tool", "ends in <tool", []),
    ],
)
def test_text_and_calls_are_told_apart(text: str, content: str, names: list[str], size: int) -> None:
    splitter = CallSplitter({"look"})
    said = "".join(splitter.add(text[at : at + size]) for at in range(0, len(text), size))
    rest, calls = splitter.end()
    assert said + rest == content
    assert [call["function"]["name"] for call in calls] == names
    assert all(json.loads(call["function"]["arguments"]) == {"word": "é"} for call in calls)


def test_a_template_that_knows_tools_gets_them() -> None:
    from corpusmith.models.chat_format import ChatFormat
    from corpusmith.models.serving.prompts import Prompts

    tokenizer = byte_tokenizer(WITH_TOOLS)
    prompts, said = Prompts(ChatFormat(tokenizer)), [{"role": "user", "content": "Hi"}]
    assert tokenizer.decode(prompts.chat_ids(said, [TOOL])).startswith("<|im_start|>system\nlook;<|im_end|>")
    assert "look" not in tokenizer.decode(prompts.chat_ids(said))
    with pytest.raises(ParameterError):
        Prompts(ChatFormat(byte_tokenizer(CHATML))).chat_ids(said, [TOOL])


class Calling:
    """A model that calls a tool."""

    ref, context = "calling@1", 100

    def chat_ids(self, messages: Sequence[Any], tools: Sequence[Any] = ()) -> list[int]:
        self.seen = (list(messages), list(tools))
        return [1]

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> Any:
        for at in range(0, len(CALL), 5):
            yield Piece(CALL[at : at + 5])
        yield Piece("", (), "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_calls_in_chat(stream: bool) -> None:
    model = Calling()
    app = create_app(FixedFleet({"calling": model}), OpenGate(), Listed())  # type: ignore[dict-item]
    asked = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"word\": \"a\"}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ]  # fmt: skip
    body = {"model": "calling", "messages": asked, "tools": [TOOL], "stream": stream}
    sent = asyncio.run(call(app, json.dumps(body).encode()))
    assert sent[0]["status"] == 200, sent
    assert model.seen[0][1]["tool_calls"][0]["function"]["arguments"] == {"word": "a"}
    assert model.seen[0][2] == {"role": "tool", "content": "found", "tool_call_id": "c1"}
    assert model.seen[1] == [TOOL]
    if stream:
        deltas = [chunk["choices"][0] for chunk in events(sent)]
        made = next(one["delta"]["tool_calls"][0] for one in deltas if "tool_calls" in one["delta"])
        assert deltas[-1]["finish_reason"] == "tool_calls"
        assert not "".join(one["delta"].get("content") or "" for one in deltas)
    else:
        found = json.loads(sent[1]["body"])
        made = found["choices"][0]["message"]["tool_calls"][0]
        assert found["choices"][0]["message"]["content"] is None
        assert found["choices"][0]["finish_reason"] == "tool_calls"
    assert made["function"]["name"] == "look"
    assert json.loads(made["function"]["arguments"]) == {"word": "é"}
