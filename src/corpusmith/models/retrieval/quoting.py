"""Text of others inside a prompt: quoted so that it cannot end its quotation, nor speak as anyone.

Every line of a passage begins with `> `, whatever breaks its lines, so nothing in it can begin a line of the prompt: no
role ("System:", "### Instruction:"), no fence, no citation number. What chat templates read as control tokens is broken
up by a blank after its first character, so that no tokenizer sees one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f]|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_TOKENS = re.compile(
    r"<[|｜][^<>\n]{0,60}?[|｜]>"
    r"|<\|"
    r"|\|>"
    r"|</?s>"
    r"|<<?/?SYS>>?"
    r"|\[/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG)\]"
    r"|</?(?:start|end)_of_(?:turn|image|text|role|utterance)>"
    r"|</?(?:bos|eos|pad|unk|sep|cls|mask|system|assistant|user|human|tool_call|tool_response|think|image)>"
    r"|\[(?:BOS|EOS|PAD|UNK|SEP|CLS|MASK|gMASK)\]",
    re.IGNORECASE,
)


def neutral(text: str, tokens: Sequence[str] = ()) -> str:
    """A text without control characters, its control tokens broken up.

    Args:
        text: Of others.
        tokens: Further control tokens, of the model's own tokenizer.
    """
    text = _CONTROLS.sub("", text)
    for token in sorted({token for token in tokens if len(token) > 1}, key=len, reverse=True):
        text = text.replace(token, f"{token[0]} {token[1:]}")
    for _ in range(4):  # breaking one up can join no other, but nested ones come to light
        broken = _TOKENS.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
        if broken == text:
            break
        text = broken
    return text


def quoted(text: str, tokens: Sequence[str] = ()) -> str:
    """A text as a quotation: each of its lines begins with `> `; of several blank lines one is left."""
    lines = [line.rstrip() for line in _BREAKS.split(neutral(text, tokens).strip())]
    shown = [line for at, line in enumerate(lines) if line or lines[at - 1]]
    return "\n".join(f"> {line}".rstrip() for line in shown)


def one_line(text: str, tokens: Sequence[str] = (), most: int = 200) -> str:
    """A title or a name, on one line of at most `most` characters."""
    flat = " ".join(neutral(text, tokens).split()).replace("[", "(").replace("]", ")")
    return flat if len(flat) <= most else flat[: most - 1] + "…"
