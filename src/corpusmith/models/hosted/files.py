"""Training files in the provider's formats: JSON Lines in UTF-8, one example a line.

    sft   {"messages": [{"role", "content"}, ...]}, the last of them the assistant's
    dpo   {"input": {"messages": [...]}, "preferred_output": [assistant], "non_preferred_output": [assistant]}

Checked before anything is sent, against what the provider documents (guides on supervised fine-tuning and direct
preference optimization; reference of the files endpoint): at least 10 examples, at most 512 MB, no empty message, and
for dpo one answer on each side. The content names the file, so that a copy which is there already is found again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from corpusmith.core.errors import PreconditionError
from corpusmith.models.hosted.cost import tokens_of

HostedMethod = Literal["sft", "dpo"]
LEAST_EXAMPLES = 10
MOST_BYTES = 512 * 10**6
_ROLES = frozenset({"system", "user", "assistant"})

Messages = Sequence[dict[str, str]]
Line = tuple[str, dict[str, Any]]
"""Row id, and the example as the provider reads it."""


@dataclass(frozen=True)
class TrainingFile:
    """What is known of a file of examples. `longest`: tokens and row id of its longest example, estimated."""

    path: Path | None
    rows: int
    size_bytes: int
    sha256: str
    tokens: int
    longest: tuple[int, str]

    @property
    def name(self) -> str:
        """What it is called at the provider."""
        return f"corpusmith-{self.sha256[:24]}.jsonl"


def chat_line(row_id: str, messages: Messages) -> Line:
    """One supervised example.

    Raises:
        PreconditionError: It is not what the provider takes.
    """
    _check(row_id, messages)
    if not messages or messages[-1]["role"] != "assistant":
        raise PreconditionError(f"row {row_id} does not end with an answer", hint="Run `format` first.", row=row_id)
    return row_id, {"messages": [dict(message) for message in messages]}


def preference_line(row_id: str, prompt: Messages, chosen: str, rejected: str) -> Line:
    """One preference example.

    Raises:
        PreconditionError: It is not what the provider takes.
    """
    answers = [[{"role": "assistant", "content": text}] for text in (chosen, rejected)]
    for messages in (prompt, *answers):
        _check(row_id, messages)
    if not prompt or prompt[-1]["role"] != "user":
        raise PreconditionError(f"row {row_id} has no question before its answers", row=row_id)
    if chosen == rejected:
        raise PreconditionError(f"row {row_id}: chosen and rejected are the same", hint="Drop it.", row=row_id)
    given = {"messages": [dict(message) for message in prompt]}
    return row_id, {"input": given, "preferred_output": answers[0], "non_preferred_output": answers[1]}


def _check(row_id: str, messages: Messages) -> None:
    for message in messages:
        if message["role"] not in _ROLES or not message["content"].strip():
            problem = f"a turn of {message['role']!r}" if message["role"] not in _ROLES else "an empty turn"
            raise PreconditionError(f"row {row_id} has {problem}", hint="Drop it, or run `format` first.", row=row_id)


def write_file(lines: Iterable[Line], path: Path | None) -> TrainingFile:
    """Write examples, or with no path only measure them.

    Raises:
        PreconditionError: It grows over what the provider takes.
    """
    digest, rows, size, tokens, longest = hashlib.sha256(), 0, 0, 0, (0, "")
    sink = None if path is None else path.open("wb")
    try:
        for row_id, example in lines:
            raw = json.dumps(example, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(raw)
            here = tokens_of(example)
            rows, size, tokens, longest = rows + 1, size + len(raw), tokens + here, max(longest, (here, row_id))
            if size > MOST_BYTES:
                raise PreconditionError(
                    f"the training file is larger than the {MOST_BYTES:,} bytes that the provider takes",
                    hint="Take fewer rows: run `sample` first.",
                )
            if sink is not None:
                sink.write(raw)
    finally:
        if sink is not None:
            sink.close()
    return TrainingFile(path, rows, size, digest.hexdigest(), tokens, longest)


def check_training_file(file: TrainingFile, split: str | None) -> None:
    """Refuse a training file that the provider would refuse.

    Raises:
        PreconditionError: It has too few examples.
    """
    if file.rows < LEAST_EXAMPLES:
        where = f" in split {split}" if split else ""
        raise PreconditionError(
            f"{file.rows} examples{where}, and the provider takes no fewer than {LEAST_EXAMPLES}",
            hint="Give more rows, or another split.",
            rows=file.rows,
        )
