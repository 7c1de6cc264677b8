"""Lines and JSON Lines: one record per line, each line alone responsible for its damage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import Encoding, text_blocks
from corpusmith.sources.items import RAW_CHARS, Bad, FileReport, Item, ReadOptions

_decode = json.JSONDecoder(strict=False).decode  # raw tabs and the like inside strings are accepted


def text_lines(
    stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport, mac: bool = False
) -> Iterator[str | Bad]:
    """The lines of `stream` without their newline; a line that is too long, or torn by damage, is a Bad.

    Args:
        stream: The file.
        encoding: As decided for it.
        options: `max_record_bytes` caps a line (counted in characters).
        report: Gets the encoding and the number of repaired lines.
        mac: Lines end with a lone carriage return.
    """
    tail, over, begin = "", False, ""
    for block in text_blocks(stream, encoding, report):
        lines = (tail + (block.replace("\r", "\n") if mac else block)).split("\n")
        tail = lines.pop()
        for line in lines:
            if over or len(line) > options.max_record_bytes:
                yield Bad(f"the line is longer than {options.max_record_bytes} bytes", (begin or line)[:RAW_CHARS])
                over, begin = False, ""
            else:
                yield line
        if len(tail) > options.max_record_bytes or over:
            over, begin, tail = True, begin or tail[:RAW_CHARS], ""
    if stream.damage is not None:
        yield Bad(stream.damage, (begin or tail)[:RAW_CHARS])
    elif over:
        yield Bad(f"the line is longer than {options.max_record_bytes} bytes", begin)
    elif tail:
        yield tail


def read_jsonl(stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport) -> Iterator[Item]:
    """One JSON object per line; blank lines are no records, a bare string is the record `{"text": …}`."""
    for line in text_lines(stream, encoding, options, report):
        if isinstance(line, Bad):
            yield line
            continue
        try:
            value = _decode(line)
        except (ValueError, RecursionError) as error:
            if line and not line.isspace():
                yield Bad(f"not JSON: {json_fault(error)}", line[:RAW_CHARS])
            continue
        yield value if type(value) is dict else as_record(value, line)


def as_record(value: Any, raw: str) -> Item:
    """A JSON value as a record: objects and strings are, other values are not."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {"text": value}
    kind = {list: "a list", bool: "true or false", int: "a number", float: "a number"}.get(type(value), "null")
    return Bad(f"the record is {kind}, not an object", raw[:RAW_CHARS])


def json_fault(error: BaseException) -> str:
    """What is wrong with a JSON text, in a few words."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[0].lower()}{error.msg[1:]} (column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def read_plain_lines(
    stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport
) -> Iterator[Item]:
    """A text file as one record per line that is not blank."""
    for line in text_lines(stream, encoding, options, report):
        if isinstance(line, Bad):
            yield line
        elif line and not line.isspace():
            yield {"text": line.rstrip("\r")}
