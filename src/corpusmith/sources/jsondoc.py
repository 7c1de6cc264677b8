"""JSON documents, read through a window: a list of records of any size never stands in memory whole.

    [ {...}, {...} ]                          each element is a record
    {"data": [ {...}, ... ], "id": 1}         each element of the list; the fields around it are left out, and said so
    {"train": {"articles": {"samples": [...   every list of objects, at any depth of objects; `json_path` says which
    {"text": [...], "id": [...]}              columns of equal length (also pandas' {"text": {"0": ...}})
    {"id1": {...}, "id2": {...}}              objects with the same fields under keys; `key` says which
    {"title": ..., "text": ...}               one record (a list named like a chat, or after a text field, is its own)
    {...} {...}                               concatenated objects, each as above

After a broken element the reader looks for the next object with the same keys and goes on from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import Encoding, text_blocks
from corpusmith.sources.items import RAW_CHARS, Bad, FileReport, Item, ReadOptions
from corpusmith.sources.lines import as_record, json_fault
from corpusmith.sources.names import CHAT_NAMES, TEXT_NAMES

_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_DEPTH = 16


class BrokenJsonError(ValueError):
    """The value at the window's position cannot be decoded."""


class _Window:
    """A moving view of a text: `peek` and `take` characters, `value` decodes one JSON value, growing as needed."""

    def __init__(self, blocks: Iterator[str], max_chars: int) -> None:
        self.buffer, self.pos, self.end = "", 0, False
        self._began = 0  # where the last decoded value begins
        self._blocks = blocks
        self._max_chars = max_chars
        self._decode = json.JSONDecoder(strict=False).raw_decode

    def fill(self) -> bool:
        """Add text, at least doubling what is ahead; False at the end of the file."""
        parts = [self.buffer[self.pos :]]
        want = max(len(parts[0]), 1)
        while want > 0 and not self.end:
            block = next(self._blocks, None)
            self.end = block is None
            parts.append(block or "")
            want -= len(parts[-1])
        grown = any(parts[1:])
        self.buffer, self.pos = "".join(parts), 0
        return grown

    def peek(self) -> str:
        """The next character that is not white space, "" at the end."""
        while True:
            match = _SPACE.match(self.buffer, self.pos)
            self.pos = match.end() if match else self.pos
            if self.pos < len(self.buffer):
                return self.buffer[self.pos]
            if self.end or not self.fill():
                return ""

    def value(self) -> Any:
        """Decode the value at the position and move behind it.

        Raises:
            BrokenJsonError: There is no whole value; the position stays.
        """
        while True:
            try:
                value, stop = self._decode(self.buffer, self.pos)
            except (ValueError, RecursionError) as error:
                if self._cut(error) and len(self.buffer) - self.pos <= self._max_chars and self.fill():
                    continue
                raise BrokenJsonError(json_fault(error)) from error
            if stop == len(self.buffer) and not self.end and not isinstance(value, dict | list | str) and self.fill():
                continue  # a number may go on
            self._began, self.pos = self.pos, stop
            return value

    def _cut(self, error: Exception) -> bool:
        """Whether the fault may be only that the window ends here."""
        if self.end or not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.buffer) - 12

    def resync(self, like: set[str]) -> str:
        """Move to the next object that shares most keys with `like` (to the end when there is none).

        Returns:
            The beginning of what was passed over.
        """
        raw = self.buffer[self.pos : self.pos + RAW_CHARS]
        self.pos += 1
        while True:
            at = self.buffer.find("{", self.pos)
            if at < 0:
                self.pos = len(self.buffer)
                if not self.fill():
                    return raw
                continue
            self.pos = at
            try:
                value = self.value()
            except BrokenJsonError:
                self.pos += 1
                continue
            if isinstance(value, dict) and value and (not like or 2 * len(like & value.keys()) >= len(like)):
                self.pos = self._began
                return raw


def read_json(stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport) -> Iterator[Item]:
    """The records of a JSON document (see the module's text)."""
    window = _Window(text_blocks(stream, encoding, report), options.max_record_bytes)
    while char := window.peek():
        if char == "[":
            yield from _list(window, "", stream)
        elif char == "{":
            yield from _top_object(window, stream, report)
        elif char == ",":
            window.pos += 1
        else:
            try:
                value = window.value()
            except BrokenJsonError as error:
                yield Bad(f"not JSON: {error}", window.resync(set()))
            else:
                yield as_record(value, json.dumps(value))
    if stream.damage is not None:
        yield Bad(stream.damage)


def _list(window: _Window, path: str, stream: ByteStream) -> Iterator[Item]:
    window.pos += 1
    keys: set[str] = set()
    while (char := window.peek()) != "]":
        if char == ",":
            window.pos += 1
            continue
        if not char:
            if stream.damage is None:
                yield Bad("the file ends inside a list")
            return
        try:
            value = window.value()
        except BrokenJsonError as error:
            torn = window.resync(keys)
            yield Bad(f"not JSON: {error}", torn)
            continue
        item = as_record(value, "" if isinstance(value, dict | str) else json.dumps(value))
        if isinstance(item, dict):
            keys = keys or set(item)
            if path:
                item.setdefault("json_path", path)
        yield item
    window.pos += 1


def _top_object(window: _Window, stream: ByteStream, report: FileReport) -> Iterator[Item]:
    found = False
    walk = _object(window, (), stream)
    while True:
        try:
            item = next(walk)
        except StopIteration as stop:
            fields: dict[str, Any] | None = stop.value
            break
        found = True
        yield item
    if fields is None:
        return
    if not found:
        yield from _rows_of(fields)
    elif around := [name for name, value in fields.items() if not isinstance(value, dict | list)]:
        report.remark(f"fields around the list of records are left out: {', '.join(sorted(around)[:8])}")


def _object(window: _Window, path: tuple[str, ...], stream: ByteStream) -> Generator[Item, None, dict[str, Any] | None]:
    """Hand out the records of every list of objects inside an object; return its other fields (None = broken)."""
    window.pos += 1
    fields: dict[str, Any] = {}
    while (char := window.peek()) != "}":
        if char == ",":
            window.pos += 1
            continue
        try:
            key = window.value() if char == '"' else None
            if not isinstance(key, str) or window.peek() != ":":
                raise BrokenJsonError("expecting a field name" if char else "the file ends inside an object")
            window.pos += 1
            opening = window.peek()
            if opening == "{" and len(path) < _DEPTH and key.lower() not in CHAT_NAMES:
                inner = yield from _object(window, (*path, key), stream)
                if inner is None:
                    return None
                fields[key] = inner
            elif opening == "[" and not _is_own_list(key, fields) and _holds_objects(window):
                yield from _list(window, ".".join((*path, key)), stream)
            else:
                fields[key] = window.value()
        except BrokenJsonError as error:
            yield Bad(stream.damage or f"not JSON: {error}", window.buffer[window.pos : window.pos + RAW_CHARS])
            window.pos = len(window.buffer)
            while window.fill():
                window.pos = len(window.buffer)
            return None
    window.pos += 1
    return fields


def _is_own_list(key: str, fields: dict[str, Any]) -> bool:
    """Whether a list belongs to a record: a chat, or a field beside a text."""
    return key.lower() in CHAT_NAMES or any(
        isinstance(value, str) and name.lower() in TEXT_NAMES for name, value in fields.items()
    )


def _holds_objects(window: _Window) -> bool:
    """Whether the list at the position begins with an object."""
    start = window.pos
    while True:
        match = re.compile(r"\[[ \t\r\n]*").match(window.buffer, start)
        after = match.end() if match else start + 1
        if after < len(window.buffer):
            return window.buffer[after] == "{"
        if not window.fill():
            return False
        start = window.pos


def _rows_of(fields: dict[str, Any]) -> Iterator[Item]:
    """An object without record lists: columns of equal length, records under their keys, else one record."""
    values = list(fields.values())
    if values and all(map(_is_column, values)) and len({len(value) for value in values}) == 1:
        yield from (dict(zip(fields, row, strict=True)) for row in zip(*values, strict=True))
    elif values and all(isinstance(value, dict) and value for value in values):
        keys = set(values[0])
        alike = all(2 * len(keys & value.keys()) >= len(keys) for value in values)
        if all(value.keys() == keys for value in values) and all(key.isdigit() for key in keys):
            yield from ({name: column[key] for name, column in fields.items()} for key in values[0])
        elif alike and len(values) > 1:
            yield from ({"key": name, **value} for name, value in fields.items())
        else:
            yield fields
    else:
        yield fields


def _is_column(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict) for item in value)
