"""CSV and TSV: quoted newlines right, delimiter and quoting found by looking; a broken row never eats its neighbours.

Rows follow RFC 4180. The dialect is the one under which most of the first records have as many fields as the header.
A quote that is opened and never closed costs its own line only: reading goes on at the next line.
"""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpusmith.sources.compression import ByteStream
from corpusmith.sources.encoding import Encoding
from corpusmith.sources.items import RAW_CHARS, Bad, FileReport, Item, ReadOptions
from corpusmith.sources.lines import text_lines

_SAMPLE_CHARS = 1 << 18
_NO_DELIMITER = "\x1f"
_LONG_CELL = 120
_OPEN_QUOTE = "unexpected end of data"  # the csv module's words

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the module's own limit is one for the process; ours is per record


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    escape: str | None = None
    quoted: bool = True

    def reader(self, lines: Any, strict: bool = True) -> Any:
        """A csv.reader of this dialect."""
        if not self.quoted:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, escapechar=self.escape, strict=strict)


class _Feed:
    """Hands lines to csv.reader, remembers those of the record at hand, and takes them back."""

    def __init__(self, lines: Iterator[str | Bad], max_chars: int) -> None:
        self._lines = lines
        self._back: deque[str] = deque()
        self._max_chars = max_chars
        self._size = 0
        self.taken: list[str] = []
        self.bad: Bad | None = None

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._back:
            line = self._back.popleft()
        else:
            if self.bad is not None or self._size > self._max_chars:
                raise StopIteration
            item = next(self._lines)
            if isinstance(item, Bad):
                self.bad = item
                raise StopIteration
            line = item + "\n"
        self.taken.append(line)
        self._size += len(line)
        return line

    def next_record(self) -> None:
        """Forget the lines of the record at hand."""
        self.taken.clear()
        self._size = 0

    def put_back(self, lines: list[str]) -> None:
        """Read `lines` again."""
        self._back.extendleft(reversed(lines))
        self.next_record()

    @property
    def left(self) -> bool:
        """Whether lines were put back."""
        return bool(self._back)


def read_delimited(
    stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport, tab: bool = False
) -> Iterator[Item]:
    """The rows of a CSV or TSV file as records keyed by its header.

    Args:
        stream: The file.
        encoding: As decided for it.
        options: `max_record_bytes` caps a record.
        report: Gets remarks on the header and the dialect.
        tab: Prefer the tab (TSV).
    """
    head = stream.peek(1 << 16)
    mac = b"\r" in head and b"\n" not in head
    lines = text_lines(stream, encoding, options, report, mac=mac)
    first: list[str] = []
    torn: Bad | None = None
    size = 0
    for item in lines:
        if isinstance(item, Bad):
            torn = item
            break
        if item.strip() or first:
            first.append(item + "\n")
            size += len(item)
        if size > _SAMPLE_CHARS:
            break
    dialect = _find_dialect(first, size <= _SAMPLE_CHARS, tab)
    feed = _Feed(iter([torn]) if torn else lines, options.max_record_bytes)
    feed.put_back(first)
    rows = _rows(feed, dialect)
    header = next(rows, None)
    if header is None:
        return
    if isinstance(header, Bad):
        yield header
        return
    names = _names(header, report)
    if _is_data(header):
        report.remark("the file has no header line; its columns are called column_0, column_1, …")
        yield dict(zip(names, header, strict=True))
    width = len(names)
    for row in rows if width else ():
        if isinstance(row, Bad):
            yield row
        elif len(row) == width:
            yield dict(zip(names, row, strict=True))
        else:
            raw = dialect.delimiter.join(row)[:RAW_CHARS]
            yield Bad(f"{len(row)} fields where the header has {width}", raw)


def _rows(feed: _Feed, dialect: _Dialect) -> Iterator[list[str] | Bad]:
    """Records as lists of fields; those that cannot be parsed as Bad."""
    reader = dialect.reader(feed)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            if feed.bad is not None:
                yield feed.bad
                feed.bad = None
                reader = dialect.reader(feed)
                continue
            return
        except csv.Error as error:
            first, rest = feed.taken[0], feed.taken[1:]
            feed.put_back(rest)
            yield _loosely(first, dialect) or Bad(f"broken quoting: {error}", first.rstrip("\n")[:RAW_CHARS])
            reader = dialect.reader(feed)
            continue
        if fields:
            yield fields
        feed.next_record()


def _loosely(line: str, dialect: _Dialect) -> list[str] | None:
    """A line with text after a closing quote, read as meant; None when a quote stays open."""
    try:
        fields: list[str] = next(dialect.reader([line], strict=False))
    except (csv.Error, StopIteration):
        return None
    return None if fields and fields[-1].endswith("\n") else fields


def _find_dialect(lines: list[str], whole: bool, tab: bool) -> _Dialect:
    """The dialect under which most records have the header's number of fields (more than one)."""
    best, best_score = _Dialect(_NO_DELIMITER), 0.0
    for delimiter in ("\t", ",", ";", "|") if tab else (",", ";", "\t", "|"):
        if not lines or delimiter not in lines[0]:
            continue
        for penalty, dialect in (
            (0.0, _Dialect(delimiter)),
            (0.02, _Dialect(delimiter, escape="\\")),
            (0.04, _Dialect(delimiter, quoted=False)),
        ):
            score = _fit(lines, dialect, whole) - penalty
            if score > best_score + 1e-9:
                best, best_score = dialect, score
    if best_score <= 0.5 and not tab and best.delimiter != "," and lines and "," not in lines[0]:
        return _Dialect(_NO_DELIMITER)
    return best


def _fit(lines: list[str], dialect: _Dialect, whole: bool) -> float:
    """Share of the records in `lines` with as many fields as the first, 0 when that is one.

    Unless `lines` are the whole file, its last record may be cut off: what follows a quote that stays open is not
    counted.
    """
    feed = _Feed(iter([line[:-1] for line in lines]), 4 * _SAMPLE_CHARS)
    widths: list[int] = []
    for row in _rows(feed, dialect):
        if isinstance(row, Bad):
            if not whole and _OPEN_QUOTE in row.reason:
                break
            widths.append(0)
        else:
            widths.append(len(row))
    if not widths or widths[0] < 2:
        return 0.0
    return sum(width == widths[0] for width in widths) / len(widths)


def _names(header: list[str], report: FileReport) -> list[str]:
    """Column names: unnamed and repeated ones are told apart."""
    if _is_data(header):
        return [f"column_{index}" for index in range(len(header))]
    names: list[str] = []
    for index, cell in enumerate(header):
        name = cell.strip() or f"column_{index}"
        if name in names:
            report.remark(f"two columns are called {name!r}; the later one is read as {name}_{index}")
            name = f"{name}_{index}"
        names.append(name)
    return names


def _is_data(header: list[str]) -> bool:
    """Whether the first line is a row and no header: a cell is as long as prose."""
    return any(len(cell) > _LONG_CELL and " " in cell for cell in header)
