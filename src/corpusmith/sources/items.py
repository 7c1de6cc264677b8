"""What a format reader hands out: one item per record of a file, good or bad, in file order.

A reader is `(opened file, options, report) -> Iterator[Item]`. A good item is the record as a dict; a bad one says why
and shows its beginning. Every item takes one position, so a row's id does not move when a neighbour is damaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

RAW_CHARS = 500
"""How much of a bad record is kept to look at."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that could not be read: why, and how it begins."""

    reason: str
    raw: str = ""


Item: TypeAlias = dict[str, Any] | Bad


@dataclass(frozen=True, slots=True)
class Reject:
    """A record kept aside.

    Attributes:
        uri: Root-relative URI of its file.
        position: 0-based position among the records of that file, the bad ones included.
        reason: Why it could not become a row.
        raw: Its first 500 characters.
    """

    uri: str
    position: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was found and not read, and why."""

    uri: str
    reason: str


@dataclass(frozen=True)
class ReadOptions:
    """How files are read.

    Attributes:
        encoding: Name of a text encoding, or None to look.
        max_decompressed_bytes: Most bytes one compressed file may unpack to; the rest of it is kept aside.
        max_record_bytes: Longest line, JSON element or document; longer ones are kept aside.
        lines: Read a plain text file as one row per line instead of one row per file.
    """

    encoding: str | None = None
    max_decompressed_bytes: int = 1 << 36
    max_record_bytes: int = 1 << 26
    lines: bool = False


@dataclass
class FileReport:
    """What was noticed while one file was read."""

    encoding: str = ""
    repaired: int = 0
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Note `text` once."""
        if text not in self.remarks:
            self.remarks.append(text)
