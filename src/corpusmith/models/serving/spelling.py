"""Tokens as bytes and text, one after the other: an answer's text in whole characters, ended by stop texts.

Byte-level vocabularies are decoded byte by byte. Others (SentencePiece) are decoded in short runs from a token that
surely ends a character, since there the text of a token may depend on the one before. Bytes that are no text show as
they do in the tokenizer's own decoding; only SentencePiece's takes valid bytes back that stand before such ones.
"""

from __future__ import annotations

import codecs
import copy
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from corpusmith.models.serving.contract import Token


class Spelling:
    """How a tokenizer spells its tokens.

    Attributes:
        exact: Whether the bytes of a token do not depend on the others (a byte-level vocabulary).
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = copy.deepcopy(tokenizer)  # encoding changes settings of the one that others use
        decoder = json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder") or {}
        self.exact = decoder.get("type") == "ByteLevel"
        self._added = {int(n): token for n, token in tokenizer.added_tokens_decoder.items()}
        self._bytes = {char: byte for byte, char in _byte_characters().items()}
        self._known: dict[int, Token] = {}

    def token(self, token: int) -> Token:
        """A token without its log probability."""
        if token not in self._known:
            raw = self._raw(token)
            added = self._added.get(token)
            self._known[token] = Token(token, str(added.content) if added and added.special else _text(raw), raw)
        return self._known[token]

    def is_control(self, token: int) -> bool:
        """Whether the token is no part of the text."""
        added = self._added.get(token)
        return bool(added and added.special)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, control tokens left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _raw(self, token: int) -> bytes:
        if (added := self._added.get(token)) is not None:
            return b"" if added.special else str(added.content).encode()
        piece = self.tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # the model has more rows than the tokenizer has tokens
            return b""
        if self.exact:
            return bytes(self._bytes[char] for char in piece)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        return str(piece).replace("▁", " ").encode()


class Writer:
    """Turns an answer's tokens into text as they come.

    Args:
        spelling: Of the model's tokenizer.
        stops: Texts that end the answer; they are left out.
    """

    def __init__(self, spelling: Spelling, stops: Sequence[str] = ()) -> None:
        self._spelling, self._stops = spelling, [stop for stop in stops if stop]
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._ids: list[int] = []
        self._from = self._read = 0
        self._held = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that is certain after one more token; `stopped` says whether a stop text came."""
        return self._release(self._decoded(token))

    def end(self) -> str:
        """What was held back, when no token follows."""
        if self.stopped:
            return ""
        rest = self._bytes.decode(b"", final=True) if self._spelling.exact else self._run()
        text = self._release(rest) + ("" if self.stopped else self._held)
        self._held = ""
        return text

    def _decoded(self, token: int) -> str:
        text = self._bytes.decode(self._spelling.token(token).raw)
        if self._spelling.exact or self._spelling.is_control(token):
            return text if self._spelling.exact else ""
        self._ids.append(token)
        if self._bytes.getstate()[0]:  # within a character
            return ""
        text = self._run()
        if text:
            self._from, self._read = self._read, len(self._ids)
        return text

    def _run(self) -> str:
        """Text of the tokens from `read` on, as it is behind those from `from` on."""
        before = self._spelling.decode(self._ids[self._from : self._read])
        return self._spelling.decode(self._ids[self._from :])[len(before) :]

    def _release(self, text: str) -> str:
        if not self._stops:
            return text
        text = self._held + text
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max(begun(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def begun(text: str, stop: str) -> int:
    """Characters at the end of `text` that begin `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def _text(raw: bytes) -> str:
    """Bytes as text; those that are no whole characters spelled out, so that no two tokens look alike."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


@lru_cache(maxsize=1)
def _byte_characters() -> dict[int, str]:
    """The character by which a byte-level vocabulary writes each byte: itself where it prints, else one past 255."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in prints]
    return {byte: chr(byte) for byte in prints} | {byte: chr(256 + n) for n, byte in enumerate(others)}
