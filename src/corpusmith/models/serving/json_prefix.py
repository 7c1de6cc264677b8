"""Whether bytes can still become one JSON object (RFC 8259): the constraint behind `response_format: json_object`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from corpusmith.models.serving.spelling import Spelling

MOST_BLANKS = 16
"""Most blanks in a row outside strings: else a model may write blanks for ever."""
DEEPEST = 64
BLANKS, DIGITS, HEX = b" \t\r\n", b"0123456789", b"0123456789abcdefABCDEF"
NUMBER: Mapping[str, tuple[tuple[bytes, str], ...]] = {
    "-": ((b"0", "0"), (b"123456789", "int")),
    "0": ((b".", "."), (b"eE", "e")),
    "int": ((DIGITS, "int"), (b".", "."), (b"eE", "e")),
    ".": ((DIGITS, "frac"),),
    "frac": ((DIGITS, "frac"), (b"eE", "e")),
    "e": ((b"+-", "sign"), (DIGITS, "exp")),
    "sign": ((DIGITS, "exp"),),
    "exp": ((DIGITS, "exp"),),
}
ENDS_NUMBER = ("0", "int", "frac", "exp")


@dataclass(frozen=True)
class JsonPrefix:
    r"""Where in an object one is.

    Attributes:
        at: What comes next: `start`, `key?` (a key or `}`), `key`, `:`, `value`, `value?` (a value or `]`), `,` (a
            comma or the end), `done`; inside something: `string`, `\` (escape), `u` (hex digits), a state of `NUMBER`,
            `word`.
        stack: `{` and `[` that are open.
        rest: In a word, what is left of it; in `u`, as many characters as digits are left.
        is_key: Whether the string is a key.
        tail: Bytes of a UTF-8 character that are still to come.
        blanks: Blanks in a row.
    """

    at: str = "start"
    stack: str = ""
    rest: bytes = b""
    is_key: bool = False
    tail: int = 0
    blanks: int = 0

    def fed(self, raw: bytes) -> JsonPrefix | None:
        """After these bytes; None when they cannot be."""
        state: JsonPrefix | None = self
        for byte in raw:
            if state is None:
                return None
            state = state._next(byte)
        return state

    def _next(self, byte: int) -> JsonPrefix | None:
        if self.at == "string":
            return self._in_string(byte)
        if self.at in NUMBER:
            for chars, then in NUMBER[self.at]:
                if byte in chars:
                    return replace(self, at=then)
            return replace(self, at=",")._next(byte) if self.at in ENDS_NUMBER else None
        if self.at in ("word", "u"):
            fits = byte in HEX if self.at == "u" else self.rest[:1] == bytes([byte])
            if not fits:
                return None
            then = self.at if len(self.rest) > 1 else "string" if self.at == "u" else ","
            return replace(self, rest=self.rest[1:], at=then)
        if self.at == "\\":
            if byte == ord("u"):
                return replace(self, at="u", rest=b"....")
            return replace(self, at="string") if byte in b'"\\/bfnrt' else None
        if byte in BLANKS:
            more = self.blanks + 1
            return None if more > MOST_BLANKS or self.at == "done" else replace(self, blanks=more)
        return replace(self, blanks=0)._token(chr(byte))

    def _in_string(self, byte: int) -> JsonPrefix | None:
        if self.tail:
            return replace(self, tail=self.tail - 1) if 0x80 <= byte < 0xC0 else None
        if byte == ord('"'):
            return replace(self, at=":" if self.is_key else ",")
        if byte == ord("\\"):
            return replace(self, at="\\")
        if byte < 0x80:
            return self if byte >= 0x20 else None
        for low, high, more in ((0xC2, 0xE0, 1), (0xE0, 0xF0, 2), (0xF0, 0xF5, 3)):
            if low <= byte < high:
                return replace(self, tail=more)
        return None

    def _token(self, char: str) -> JsonPrefix | None:
        """A byte that begins or ends something."""
        if self.at == "start":
            return replace(self, at="key?", stack="{") if char == "{" else None
        if char == "}" and self.at in ("key?", ",") and self.stack.endswith("{"):
            return self._closed()
        if char == "]" and self.at in ("value?", ",") and self.stack.endswith("["):
            return self._closed()
        if self.at in ("key", "key?"):
            return replace(self, at="string", is_key=True) if char == '"' else None
        if self.at == ":":
            return replace(self, at="value") if char == ":" else None
        if self.at == ",":
            return replace(self, at="key" if self.stack.endswith("{") else "value") if char == "," else None
        return self._value(char) if self.at in ("value", "value?") else None

    def _value(self, char: str) -> JsonPrefix | None:
        if char in "{[":
            if len(self.stack) >= DEEPEST:
                return None
            return replace(self, at="key?" if char == "{" else "value?", stack=self.stack + char)
        if char == '"':
            return replace(self, at="string", is_key=False)
        if char in "-0" or char in "123456789":
            return replace(self, at=char if char in "-0" else "int")
        words = {"t": b"rue", "f": b"alse", "n": b"ull"}
        return replace(self, at="word", rest=words[char]) if char in words else None

    def _closed(self) -> JsonPrefix:
        stack = self.stack[:-1]
        return replace(self, at="," if stack else "done", stack=stack)


class JsonAnswer:
    """Which tokens an answer may go on with."""

    def __init__(self, spelling: Spelling, ends: Collection[int]) -> None:
        self._spelling, self._ends, self._state = spelling, ends, JsonPrefix()

    def allows(self, token: int) -> bool:
        """Whether it may come next."""
        raw = self._spelling.token(token).raw
        return bool(raw) and token not in self._ends and self._state.fed(raw) is not None

    def take(self, token: int) -> None:
        """It came."""
        state = self._state.fed(self._spelling.token(token).raw)
        assert state is not None
        self._state = state

    @property
    def complete(self) -> bool:
        """Whether the object is whole."""
        return self._state.at == "done"
