"""Lists of messages (ChatML, OpenAI, ShareGPT) as an instruction, the turns in between, and the last answer.

A chat of one exchange is `instruction = first user turn`, `output = answer`. In a longer one the turns between the
first user turn and the last answer stand in `input` as `User: …` / `Assistant: …` paragraphs, so that instruction,
input and output read one after the other are the chat. The whole list stays in `meta`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ROLES = {
    "user": "user", "human": "user", "prompter": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "bing": "assistant", "ai": "assistant",
    "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool",
}  # fmt: skip

_TEXT_KEYS = {"content", "value", "text"}


def is_chat(value: Any) -> bool:
    """Whether `value` is a list of messages with a role (or from) and a content (or value, text)."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and bool({"role", "from"} & item.keys()) and bool(_TEXT_KEYS & item.keys())


def turns_of(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(role, text) of every message; unknown roles keep their name, content parts are joined, null is empty."""
    out = []
    for message in messages:
        role = str(message.get("role") or message.get("from") or "").lower()
        content = next((message[key] for key in ("content", "value", "text") if message.get(key) is not None), "")
        if isinstance(content, list):
            parts = [part.get("text") if isinstance(part, dict) else part for part in content]
            content = "\n".join(part for part in parts if isinstance(part, str))
        out.append((ROLES.get(role, role or "user"), content if isinstance(content, str) else str(content)))
    return out


def transcript(turns: Sequence[tuple[str, str]]) -> str:
    """Turns as paragraphs that begin with the speaker."""
    return "\n\n".join(f"{role.capitalize()}: {text}" for role, text in turns)


def as_instruction(turns: Sequence[tuple[str, str]]) -> tuple[str, str, str] | None:
    """(instruction, input, output) of a chat without its system turns; None when no user turn precedes an answer."""
    last = max((index for index, (role, _) in enumerate(turns) if role == "assistant"), default=-1)
    spoken = [turn for turn in turns[: max(last, 0)] if turn[0] != "system"]
    if last < 0 or not spoken or spoken[0][0] != "user":
        return None
    return spoken[0][1], transcript(spoken[1:]), turns[last][1]


def as_prompt(turns: Sequence[tuple[str, str]]) -> str:
    """A chat up to an answer as one prompt: the text itself for a single turn, else a transcript."""
    spoken = [turn for turn in turns if turn[0] != "system"]
    return spoken[0][1] if len(spoken) == 1 else transcript(spoken)


def last_answer(turns: Sequence[tuple[str, str]]) -> str | None:
    """The text of the last assistant turn."""
    return next((text for role, text in reversed(turns) if role == "assistant"), None)
