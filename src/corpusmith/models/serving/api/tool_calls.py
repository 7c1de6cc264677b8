"""Calls of tools in an answer, where a model writes them as `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

That is the form of Hermes and Qwen, which many open models were trained on. An answer in another form, or a call of a
tool that was not offered, stays text.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from typing import Any

from corpusmith.models.serving.spelling import begun

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class CallSplitter:
    """Tells text and calls apart as an answer comes; with no tools offered, all is text.

    Args:
        names: Of the tools that were offered.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names, self._held = names, ""

    def add(self, text: str) -> str:
        """The text that is surely no call."""
        if not self._names:
            return text
        text = self._held + text
        at = text.find(OPEN)
        keep = begun(text, OPEN) if at < 0 else len(text) - at
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> tuple[str, list[dict[str, Any]]]:
        """What is left as text, and the calls."""
        rest, calls, text = self._held, list[dict[str, Any]](), ""
        self._held = ""
        while (at := rest.find(OPEN)) >= 0:
            inner, closed, after = rest[at + len(OPEN) :].partition(CLOSE)
            call = self._call(inner)
            text += rest[:at] if call else rest[: at + len(OPEN)] + inner + closed
            calls += [call] if call else []
            rest = after
        return (text + rest if not calls else (text + rest).strip()), calls

    def _call(self, inner: str) -> dict[str, Any] | None:
        try:
            found = json.loads(inner)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.get("name") not in self._names:
            return None
        arguments = found.get("arguments", {})
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": found["name"], "arguments": written}
        return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}
