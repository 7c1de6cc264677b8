"""Plain text, Markdown and HTML: the file is one record. Its text is kept as it stands; cleaning is a later step's."""

from __future__ import annotations

from collections.abc import Iterator

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import Encoding, text_blocks
from corpusmith.sources.items import RAW_CHARS, Bad, FileReport, Item, ReadOptions
from corpusmith.sources.kinds import Kind


def read_document(
    stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport, kind: Kind
) -> Iterator[Item]:
    """The whole file as `{"text": …, "format": "text" | "markdown" | "html"}`; one cut off by damage is kept aside."""
    parts: list[str] = []
    size = 0
    for block in text_blocks(stream, encoding, report):
        parts.append(block)
        size += len(block)
        if size > options.max_record_bytes:
            hint = "; it can be read by lines" if kind is Kind.TEXT else ""
            yield Bad(f"the document is longer than {options.max_record_bytes} bytes{hint}", parts[0][:RAW_CHARS])
            return
    text = "".join(parts)
    yield Bad(stream.damage, text[:RAW_CHARS]) if stream.damage is not None else {"text": text, "format": kind.value}
