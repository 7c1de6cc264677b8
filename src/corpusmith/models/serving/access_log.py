"""The access log: one JSON object a line. What was said is in it only when that is asked for."""

from __future__ import annotations

import json
import time
from typing import Any

from corpusmith.models.serving.contract import Asked
from corpusmith.models.serving.log_file import Lines


class AccessLog:
    """Writes lines to a log."""

    def __init__(self, stream: Lines, prompts: bool = False) -> None:
        """Take the stream.

        Args:
            stream: Where to.
            prompts: Whether prompts and answers are written too, of callers who do not want them redacted.
        """
        self._stream, self._prompts = stream, prompts

    def write(self, asked: Asked) -> None:
        """Write a line of a request."""
        self._stream.write(json.dumps(line_of(asked, self._prompts), ensure_ascii=False, default=str) + "\n")
        self._stream.flush()


def line_of(asked: Asked, prompts: bool) -> dict[str, Any]:
    """A request as plain data. `time` is when it ended, in seconds since 1970."""
    line: dict[str, Any] = {
        "time": round(time.time(), 3),
        "id": asked.id,
        "route": asked.route,
        "status": asked.status,
        "caller": asked.caller.id,
        "model": asked.model,
        "version": asked.version,
        "prompt_tokens": asked.prompt_tokens,
        "answer_tokens": asked.answer_tokens,
        "finishes": list(asked.finishes),
        "seconds": round(asked.seconds, 4),
        "first_token_s": None if asked.first_token_s is None else round(asked.first_token_s, 4),
    }
    if asked.passages:
        line["passages"] = list(asked.passages)
    if prompts and not asked.caller.redact:
        line |= {"prompt": asked.prompt, "answer": asked.answer}
    return line
