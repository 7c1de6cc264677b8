"""Bytes to text, whatever they were written in, without losing a record.

A file is UTF-8 (with or without a byte order mark), UTF-16 or UTF-32, or in a legacy code page: a Latin one when its
accents are those of a language (`latin_pages`), else what charset-normalizer says of its first bytes. Inside a file
that is otherwise UTF-8, each line that is not valid is repaired by itself and counted: bytes outside UTF-8 are read in
the likely code page, and what no code page knows becomes U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from charset_normalizer import from_bytes

from corpusmith.core.errors import ParameterError
from corpusmith.sources.compression import ByteStream
from corpusmith.sources.items import FileReport, ReadOptions
from corpusmith.sources.latin_pages import latin_page

SAMPLE_BYTES = 1 << 18
_BLOCK = 1 << 20
_CODE_PAGES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "cp866",
    "gb18030", "big5", "cp932", "euc_jp", "cp949", "iso8859_2", "iso8859_5", "iso8859_7",
]  # fmt: skip
_MULTIBYTE = frozenset({"gb18030", "big5", "cp932", "shift_jis", "euc_jp", "cp949", "euc_kr"})
_BOMS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_UTF8_CHAR = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_TORN_CHAR = re.compile(rb"[\xe0-\xef][\x80-\xbf](?![\x80-\xbf])|[\xf0-\xf4][\x80-\xbf]{1,2}(?![\x80-\xbf])")
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_HIGH = re.compile(rb"[\x80-\xff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes:
        name: Codec of the file.
        page: Code page of lines that are not valid UTF-8.
        bom_bytes: Bytes of a UTF-8 mark to skip.
    """

    name: str
    page: str = "cp1252"
    bom_bytes: int = 0

    @property
    def by_line(self) -> bool:
        """Whether each line is tried as UTF-8 (not in UTF-16, multi-byte code pages and what the person named)."""
        return self.name in ("utf-8", self.page)


def decide(sample: bytes, complete: bool, options: ReadOptions, html: bool = False) -> Encoding:
    """The encoding of the file that begins with `sample`.

    Args:
        sample: Its first bytes, decompressed.
        complete: Whether that is the whole file.
        options: `options.encoding` wins when given.
        html: Whether a `<meta charset>` may say it.

    Raises:
        ParameterError: `options.encoding` is not the name of a text encoding.
    """
    mark = next(((bom, name) for bom, name in _BOMS if sample.startswith(bom)), None)
    if options.encoding is not None:
        name = known_encoding(options.encoding)
        if name == "utf-8":
            return Encoding("utf-8", bom_bytes=3 if mark == _BOMS[0] else 0)
        return Encoding(name, page="")
    if mark is not None:
        return Encoding(mark[1], bom_bytes=3 if mark[1] == "utf-8" else 0)
    if wide := _wide(sample):
        return Encoding(wide)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=complete)
    except UnicodeDecodeError:
        return _legacy(sample, html)
    return Encoding("utf-8")


def known_encoding(name: str) -> str:
    """The codec name for a text encoding.

    Raises:
        ParameterError: There is no such text encoding.
    """
    try:
        codec = codecs.lookup(name)
        "a".encode(name)
    except LookupError as error:
        raise ParameterError(
            f"there is no text encoding called {name!r}", hint="Leave it out to have it found, or say utf-8, cp1252, …"
        ) from error
    return "utf-8" if codec.name == "utf-8-sig" else codec.name


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: nearly every second byte is NUL, on one side only."""
    head = sample[:4096]
    if len(head) < 16 or b"\x00" not in head:
        return ""
    even, odd = head[::2], head[1::2]
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    if shares[0] < 0.1 and shares[1] > 0.6:
        return "utf-16-le"
    return "utf-16-be" if shares[1] < 0.1 and shares[0] > 0.6 else ""


def _legacy(sample: bytes, html: bool) -> Encoding:
    """UTF-8 with damaged lines, or the code page of a file that is not UTF-8."""
    if html and (declared := _META_CHARSET.search(sample[:4096])):
        name = declared.group(1).decode("ascii")
        try:
            page = codecs.lookup(name).name
        except LookupError:
            page = "utf-8"
        if page in {"iso8859-1", "ascii"}:
            page = "cp1252"  # as browsers do (WHATWG encoding standard)
        if page != "utf-8":
            return Encoding(page, page="" if page in _MULTIBYTE else page)
    bad_lines = [line for line in sample.split(b"\n") if not line.isascii() and not _is_utf8(line)]
    evidence = b"\n".join(line for line in bad_lines if not _UTF8_CHAR.search(line)) or b"\n".join(bad_lines)
    high = sum(byte >= 0x80 for byte in evidence)
    page = latin_page(evidence[:16384])
    if not page and (high >= 12 or high > 0.1 * len(evidence)):
        best = from_bytes(evidence[:65536], cp_isolation=_CODE_PAGES).best()
        page = best.encoding if best is not None and best.encoding in _CODE_PAGES else ""
    page = page or "cp1252"
    good = len(_UTF8_CHAR.findall(sample))
    if page in _MULTIBYTE:
        good = sum(not line.isascii() and _is_utf8(line) for line in sample.split(b"\n"))
        high = len(bad_lines)
    if good >= high:
        return Encoding("utf-8", page=page)
    return Encoding(page, page="" if page in _MULTIBYTE else page)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_blocks(stream: ByteStream, encoding: Encoding, report: FileReport) -> Iterator[str]:
    """The text of `stream` in blocks; a block of a many-lined file ends with a line."""
    stream.skip(encoding.bom_bytes)
    report.encoding = encoding.name
    if not encoding.by_line:
        yield from _transcoded(stream, encoding.name, report)
        return
    held: list[bytes] = []
    size = 0
    for chunk in stream:
        cut = chunk.rfind(b"\n") + 1
        if not cut and size + len(chunk) < _BLOCK:
            held.append(chunk)
            size += len(chunk)
            continue
        if not cut:
            cut = _whole_chars(chunk)
        held.append(chunk[:cut])
        yield decode_block(b"".join(held), encoding, report)
        held, size = [chunk[cut:]], len(chunk) - cut
    if rest := b"".join(held):
        yield decode_block(rest, encoding, report)


def _whole_chars(chunk: bytes) -> int:
    """Length of `chunk` without a UTF-8 sequence that its end may have cut (at most three bytes)."""
    for back in range(1, min(4, len(chunk)) + 1):
        byte = chunk[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            return len(chunk) - back
    return len(chunk)


def _transcoded(chunks: Iterable[bytes], name: str, report: FileReport) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    for chunk in chunks:
        if text := decoder.decode(chunk):
            report.repaired += text.count("\ufffd")
            yield text
    if text := decoder.decode(b"", final=True):
        report.repaired += text.count("\ufffd")
        yield text


def decode_block(block: bytes, encoding: Encoding, report: FileReport) -> str:
    """The text of whole lines, each that is not UTF-8 read in the code page; repaired lines are counted."""
    legacy = encoding.name != "utf-8"
    if not legacy or block.isascii():
        try:
            return block.decode()
        except UnicodeDecodeError:
            pass  # line by line below
    out = []
    for line in block.split(b"\n"):
        if line.isascii():
            out.append(line.decode("ascii"))
            continue
        text = _strict(line, "utf-8")
        if text is None:
            text = repair(line, encoding.page)
            report.repaired += not legacy or "\ufffd" in text
        out.append(text)
    return "\n".join(out)


def _strict(line: bytes, name: str) -> str | None:
    try:
        return line.decode(name)
    except UnicodeDecodeError:
        return None


def repair(line: bytes, page: str) -> str:
    """The most likely text of a line that is not valid UTF-8. Never fails, never gives a lone surrogate."""
    if b"\xed" in line:
        try:
            return join_surrogates(line.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            pass  # not only surrogates are wrong
    torn_only = _TORN_CHAR.sub(b"", line).isascii()
    alone = len(_HIGH.findall(_UTF8_CHAR.sub(b"", line)))
    if not torn_only and (page in _MULTIBYTE or alone > len(_UTF8_CHAR.findall(line))):
        text = _strict(line, page)
        if text is not None:
            return text
    return line.decode("utf-8", _piecewise(page if page not in _MULTIBYTE else "cp1252"))


def _piecewise(page: str) -> str:
    """Name of an error handler that reads single stray bytes in `page` and cut-off UTF-8 sequences as U+FFFD."""
    name = f"corpusmith.{page}"

    def handler(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        bad = error.object[error.start : error.end]
        return (bad.decode(page, "replace") if len(bad) == 1 else "\ufffd"), error.end

    try:
        codecs.lookup_error(name)
    except LookupError:
        codecs.register_error(name, handler)
    return name


def join_surrogates(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates as U+FFFD, so that it can be written as UTF-8."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
